"""A profile of a worker in a job shows what the exchange of parameters takes."""

import json

TRAINS = """
import sys
import numpy as np
import pushgrad as mx

y = (np.arange(64) % 4).astype(np.float32)
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc"), name="softmax")
with mx.profiler.profile(f"{sys.argv[1]}/{mx.rank()}.json"):
    mx.FeedForward.create(net, np.eye(4, dtype=np.float32)[y.astype(int)], y, num_epoch=1, batch_size=16)
"""


def test_pushes_waits_and_pulls_are_in_the_trace(launch, script, tmp_path):
    job = launch("--workers", 2, script(TRAINS), tmp_path, real=True)
    assert job.finish() == 0, job.text
    for rank in range(2):
        events = json.loads((tmp_path / f"{rank}.json").read_text())["traceEvents"]
        begun = {event["id"]: event["ts"] for event in events if event["ph"] == "b"}
        ended = {event["id"]: event["ts"] for event in events if event["ph"] == "e"}
        assert begun.keys() == ended.keys()
        assert all(ended[number] > begun[number] for number in begun)
        pulls = [event["name"] for event in events if event["ph"] == "b"]
        assert pulls.count("pull fc_weight") >= 4  # one a step, and the first values
        assert sum(event["name"] == "push" for event in events) == 4
        assert sum(event["name"] == "wait" for event in events) >= 4
