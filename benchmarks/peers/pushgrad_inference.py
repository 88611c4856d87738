"""Outputs of a trained network here, by FeedForward.predict."""

from data import examples
from turns import take_turns, task

import pushgrad as mx

todo = task()
X, y = examples(todo)
model = mx.FeedForward.create(
    mx.models.get(todo.network), X[: todo.batch], y[: todo.batch],
    num_epoch=1, batch_size=todo.batch, initializer=mx.init.Xavier(), learning_rate=0.01, verbose=False,
)  # fmt: skip

take_turns(f"pushgrad {mx.__version__}", lambda: model.predict(X))
