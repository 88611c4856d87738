"""100 MB of parameters and as much momentum from a snapshot onto the servers of a job.

Arguments: "keep" or "restore", and the file for the answer. The first run keeps a snapshot, the second goes on from it
and tells the seconds that reading, checking and handing it to the servers took.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

import pushgrad as mx
from pushgrad.worker.training.script_run import ScriptRun
from pushgrad.worker.training.store_engine import HostEngine

WIDTH = 2500  # of four layers: 100 MB


def timed(function):
    """The same function; the seconds that it takes go into `spent`."""

    def call(*given):
        began = time.perf_counter()
        found = function(*given)
        spent[function.__name__] = time.perf_counter() - began
        return found

    return call


spent = {}
ScriptRun.found, HostEngine._publish = timed(ScriptRun.found), timed(HostEngine._publish)
s = mx.symbol
layer = s.Variable("data")
for number in range(4):
    layer = s.Activation(s.FullyConnected(layer, num_hidden=WIDTH, name=f"fc{number}"), act_type="relu")
symbol = s.SoftmaxOutput(s.FullyConnected(layer, num_hidden=10, name="out"), name="softmax")
X, y = np.zeros((16, WIDTH), np.float32), np.zeros(16, np.float32)
epochs = 1 if sys.argv[1] == "keep" else 2
mx.FeedForward.create(
    symbol, X, y, num_epoch=epochs, batch_size=8, learning_rate=0.001, momentum=0.9, verbose=False, snapshot="2steps",
)  # fmt: skip
if mx.rank() == 0:
    Path(sys.argv[2]).write_text(json.dumps(spent))
