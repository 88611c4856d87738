"""Steps of a worker whose neighbour computes three times as long; computing is waiting here, and takes no core.

Both work while the file `go` is beside the turns' socket, so that a job whose turn it is not stands still.
"""

import time
from pathlib import Path
from sys import argv

import numpy as np
from turns import take_turns, task

import pushgrad as mx

todo = task()
kv = mx.kv.create(todo.mode, **({"staleness": todo.staleness} if todo.mode == "dist_ssp" else {}))
kv.set_optimizer(mx.optimizer.create("sgd", learning_rate=1e-6, momentum=0.9))
kv.init("weight", np.zeros(todo.elements, np.float32))
gradient, weight = np.full(todo.elements, 1e-3, np.float32), np.empty(todo.elements, np.float32)
go = Path(argv[1]).with_name("go")


def step(seconds):
    time.sleep(seconds)
    kv.push("weight", gradient)
    kv.pull("weight", out=weight)


def work():
    go.touch()
    for _ in range(todo.steps):
        step(todo.compute)
    go.unlink()


if kv.rank == 0:
    take_turns(f"pushgrad {mx.__version__}", work)
else:
    while go.parent.exists():
        if go.exists():
            step(3 * todo.compute)
        else:
            time.sleep(0.001)
