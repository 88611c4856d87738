"""A step of a table by the rows that it touches, or of the whole table."""

import numpy as np
from turns import take_turns, task

import pushgrad as mx

todo = task()
kv = mx.kv.create("dist_sync")
kv.set_optimizer(mx.optimizer.create("sgd", learning_rate=1e-6, momentum=0.9))
kv.init("table", np.zeros((todo.rows, todo.width), np.float32), row_sparse=todo.by_rows)
random = np.random.default_rng(kv.rank)
gradient = np.full((todo.touched if todo.by_rows else todo.rows, todo.width), 1e-3, np.float32)
weights = np.empty_like(gradient)


def work():
    for _ in range(todo.steps):
        if todo.by_rows:
            ids = random.integers(0, todo.rows, todo.touched)
            kv.row_sparse_push("table", gradient, row_ids=ids)
            kv.row_sparse_pull("table", out=weights, row_ids=ids)
        else:
            kv.push("table", gradient)
            kv.pull("table", out=weights)


take_turns(f"pushgrad {mx.__version__}", work)
kv.close()
