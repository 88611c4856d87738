"""Snapshots of whole jobs: of one step although they are made during the next, and of modes in which steps differ."""

import json

import pytest

# A table that is looked up by rows, and keys that are large enough for shared memory. `late`: the copies begin only
# when the step after the snapshot's is over. `kill` is the step at which rank 0 ends,
# when the snapshot `after` has been written.
TRAINS = """
import json, os, random, signal, sys, threading, time, zlib
from pathlib import Path
import numpy as np
import pushgrad as mx
from pushgrad.worker.training.capture import Capture

options = json.loads(sys.argv[1])
stepped, finish = threading.Event(), Capture.finish

class Steps:
    all_ranks = True

    def batch_end(self, param):
        if param.model.num_update == 11:
            stepped.set()
        if param.model.num_update == options.get("kill") and mx.rank() == 0:
            while not (Path(os.environ["PUSHGRAD_SNAPSHOT_DIR"]) / options["after"]).exists():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)

def late(capture):
    stepped.wait()
    finish(capture)

if options.get("late"):
    Capture.finish = late
s = mx.symbol
table = s.Embedding(s.Variable("data"), input_dim=50, output_dim=8, sparse_grad=True, name="table")
layer = s.BatchNorm(s.FullyConnected(s.Flatten(table), num_hidden=600, name="fc1"))
layer = s.FullyConnected(s.Activation(layer, act_type="tanh"), num_hidden=40, name="fc2")
net = s.SoftmaxOutput(s.FullyConnected(layer, num_hidden=3, name="fc3"), name="softmax")
mx.random.seed(3)
np.random.seed(3)
random.seed(3)
draw = np.random.default_rng(5)
X, y = draw.integers(0, 50, (48, 4)).astype(np.float32), draw.integers(0, 3, 48).astype(np.float32)
model = mx.FeedForward.create(
    net, mx.io.NDArrayIter(X, y, 8, True), num_epoch=3, slices=2, learning_rate=0.05, momentum=0.9,
    kvstore=options.get("kvstore", "auto"), batch_end_callback=[mx.callback.log_train_metric(1), Steps()],
    initializer=mx.init.Uniform(0.2), compression_params=options.get("compression"),
)
if mx.rank() == 0:
    arrays = [model.arg_params[name] for name in sorted(model.arg_params)]
    print(f"end of fit {zlib.crc32(b''.join(a.tobytes() for a in arrays))}\\n", end="", flush=True)
"""


@pytest.fixture
def train(launch, script, tmp_path):
    """Runs it and gives the exit code, what rank 0 printed, and the arrays of each snapshot by its name."""

    def run(*size, into, resume="off", snapshot="3steps", transport="", **options):
        workers, servers = size
        env = {"PUSHGRAD_SNAPSHOT_DIR": str(tmp_path / into), "OMP_NUM_THREADS": "1"}
        env |= {"PUSHGRAD_TRANSPORT": transport} if transport else {}
        given = ["--workers", workers, "--servers", servers, "--snapshot", snapshot, "--resume", resume]
        job = launch(*given, script(TRAINS), json.dumps(options), real=True, env=env)
        code = job.finish()
        lines = [line.removeprefix("w0 | ") for line in job.lines if line.startswith("w0 | ")]
        found = {
            path.parent.name: [json.loads(part.read_text())["arrays"] for part in sorted(path.parent.glob("*.json"))]
            for path in (tmp_path / into).glob("0*/state.json")
        }
        return code, lines, found, job.text

    return run


def check_late_copies(train, *transports, compression=None):
    """A job whose copies are late, with each of these transports, must write what one writes that copies at once."""
    made = []
    for transport, late in (("", False), *((transport, True) for transport in transports)):
        options = {"transport": transport, "late": late, "compression": compression}
        code, _, found, text = train(2, 2, into=str(len(made)), snapshot="10steps", **options)
        assert code == 0, text
        made.append(found["000001-fit1-step10"])
    assert all(one == made[0] for one in made)
    return made[0]


def test_a_snapshot_that_is_made_during_the_next_step_has_the_same_bits(train):
    assert len(check_late_copies(train, "")) == 1


@pytest.mark.long
def test_it_holds_without_shared_memory_and_for_what_each_worker_has_alone(train):
    assert len(check_late_copies(train, "", "ipc", compression={"type": "2bit", "threshold": 0.01})) == 2


@pytest.mark.long
def test_an_asynchronous_job_goes_on_from_the_end_of_an_epoch(train):
    _, expected, _, _ = train(1, 2, into="whole", kvstore="dist_async", snapshot="off")
    code, before, found, text = train(
        1, 2, into="kept", kvstore="dist_async", kill=15, after="000002-fit1-step12", snapshot="1step"
    )
    assert code == 137, text
    assert sorted(found) == ["000001-fit1-step6", "000002-fit1-step12"]
    code, after, _, _ = train(1, 2, into="kept", kvstore="dist_async", resume="auto", snapshot="1step")
    assert code == 0
    # Of one worker, and so with the bits of an undisturbed one.
    assert before == expected[: len(before)]
    assert after == expected[-len(after) :]
    assert after[0].startswith("[2] Train-accuracy")
