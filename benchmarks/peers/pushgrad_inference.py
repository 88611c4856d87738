"""Outputs of a trained network here: by FeedForward.predict, or batch by batch from a bound executor."""

import os

from data import examples
from turns import take_turns, task

import pushgrad as mx

todo = task()
X, y = examples(todo)
symbol = mx.models.get(todo.network)
model = mx.FeedForward.create(
    symbol, X[: todo.batch], y[: todo.batch],
    num_epoch=1, batch_size=todo.batch, initializer=mx.init.Xavier(), learning_rate=0.01, verbose=False,
)  # fmt: skip


def bound():
    """The function that computes all batches with an executor of its own."""
    threads = int(os.environ["OMP_NUM_THREADS"])
    executor = mx.Executor.simple_bind(symbol, grad_req="null", slices=threads, data=(todo.batch, *X.shape[1:]))
    executor.copy_params_from(model.arg_params, model.aux_params)

    def work():
        for first in range(0, len(X), todo.batch):
            executor.forward(is_train=False, data=X[first : first + todo.batch])

    return work


take_turns(f"pushgrad {mx.__version__}", bound() if todo.mode == "executor" else lambda: model.predict(X))
