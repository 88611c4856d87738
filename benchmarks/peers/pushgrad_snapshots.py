"""What snapshots cost a training: the time of each step, whether one was being made meanwhile, and what held steps up.

Arguments: the network (lenet, or 102mb: layers of 102 MB in all), steps, steps between two snapshots, MNIST's folder,
the file for the answer. The 102 MB are trained in batches that take half a second each.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from data import digits

import pushgrad as mx
from pushgrad.worker.training import script_run
from pushgrad.worker.training.snapshots import Snapshots

STEP = 0.5  # seconds
EPOCH = 20  # steps
WIDTH = 2520  # of four layers: 102 MB


def wide():
    s = mx.symbol
    layer = s.Variable("data")
    for number in range(4):
        layer = s.Activation(s.FullyConnected(layer, num_hidden=WIDTH, name=f"fc{number}"), act_type="relu")
    return s.SoftmaxOutput(s.FullyConnected(layer, num_hidden=10, name="out"), name="softmax")


class Steps:
    """When each step ended, whether a snapshot was being made then, and what the last one cost, as the fit reckons.

    Not what it reckons afterwards: the result of a fit waits for the snapshot before it.
    """

    all_ranks = True

    def __init__(self, steps):
        self.steps, self.ended, self.busy, self.reckoned = steps, [], [], 0.0

    def batch_end(self, param):
        self.ended.append(time.perf_counter())
        self.busy.append(any(run.writing for run in script_run._runs.values()))
        if len(self.ended) == self.steps and taken:
            for run in script_run._runs.values():
                run.finish_writing()  # of the snapshot before: this step's comes after its callbacks
            self.reckoned = taken[-1][1]._turns.cost

    def state(self):
        return {}

    def restore(self, state):
        pass

    def seconds(self):
        """Of each step but the first, and whether a snapshot was made in it or in part of it."""
        return [
            (after - before, was or busy)
            for before, after, was, busy in zip(self.ended, self.ended[1:], self.busy, self.busy[1:], strict=False)
        ]


def train(symbol, X, y, batch, steps, snapshot):
    epoch = min(EPOCH, steps, len(X) // batch)
    epochs = steps // epoch
    found, X, y = Steps(epochs * epoch), X[: batch * epoch], y[: batch * epoch]
    model = mx.FeedForward.create(
        symbol, X, y, num_epoch=epochs, batch_size=batch, learning_rate=0.001, momentum=0.9, snapshot=snapshot,
        initializer=mx.init.Uniform(0.02), batch_end_callback=found, verbose=False,
    )  # fmt: skip
    return model, found


def batch_for(symbol, X, y):
    """How many examples take STEP seconds; on all workers as many as rank 0 has found."""
    seconds = train(symbol, X, y, 64, 8, "off")[1].seconds()
    store = mx.kv.create("auto")
    store.init("batch", np.float32([max(8, round(64 * STEP / float(np.median([took for took, _ in seconds]))))]))
    batch = int(store.pull("batch")[0])
    store.close()
    return batch


def noting(take):
    """`take` of Snapshots, which notes the seconds that it took, and what is still being copied then."""

    def noted(self, *given):
        began = time.perf_counter()
        take(self, *given)
        taken.append((time.perf_counter() - began, self))
        captures.append(self._capture)

    return noted


taken, captures = [], []
network, steps, every, folder, answer = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], Path(sys.argv[5])
if network == "lenet":
    symbol, batch = mx.models.get("lenet"), 100
    X, y = digits(folder, 6000)
else:
    symbol, noise = wide(), np.random.default_rng(0)
    X, y = noise.random((4096, WIDTH), np.float32), noise.integers(0, 10, 4096).astype(np.float32)
    batch = batch_for(symbol, X, y)
Snapshots._take = noting(Snapshots._take)
model, found = train(symbol, X, y, batch, steps, f"{every}steps")
if mx.rank() == 0:
    for run in script_run._runs.values():
        run.finish_writing()
    told = {
        "bytes": sum(array.nbytes for array in model.arg_params.values()),
        "batch": batch,
        "seconds": found.seconds(),
        "held": [began + capture.held for (began, _), capture in zip(taken, captures, strict=True)],
        "reckoned": found.reckoned,
    }
    answer.write_text(json.dumps(told))
