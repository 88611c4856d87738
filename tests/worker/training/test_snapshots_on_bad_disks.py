"""Trainings whose snapshots go to real file systems that are full or read-only, in a mount namespace of their own."""

import json
import os
import shutil
import subprocess
import sys

import pytest

UNSHARE = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
POSSIBLE = shutil.which("unshare") and not subprocess.run([*UNSHARE, "true"], capture_output=True).returncode
pytestmark = pytest.mark.skipif(not POSSIBLE, reason="needs unshare and namespaces")

# The same fit in each of four folders. In `full` there is room for two snapshots, of 84 KB each, and not for three.
TRAINS = """
import json, os, subprocess, zlib
from pathlib import Path
import numpy as np
import pushgrad as mx
from pushgrad.common.errors import JobError
from pushgrad.worker.files import snapshot
from pushgrad.worker.training import script_run

def mount(name, options):
    os.mkdir(name)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", name], check=True)

class EachIsWritten:
    def batch_end(self, param):
        run.finish_writing()
    def state(self):
        return {}
    def restore(self, state):
        pass

def train(name):
    global run
    os.environ["PUSHGRAD_SNAPSHOT_DIR"] = name
    run = script_run.run_in(Path(name).absolute())
    mx.random.seed(3)
    s = mx.symbol
    layer = s.Activation(s.FullyConnected(s.Variable("data"), num_hidden=1000, name="fc1"), act_type="tanh", name="act")
    net = s.SoftmaxOutput(s.FullyConnected(layer, num_hidden=3, name="fc2"), name="softmax")
    X, y = np.linspace(0, 1, 240, dtype=np.float32).reshape(40, 6), np.arange(40, dtype=np.float32) % 3
    model = mx.FeedForward.create(
        net, X, y, num_epoch=2, batch_size=8, momentum=0.9, learning_rate=0.1, verbose=False, snapshot="1step",
        batch_end_callback=EachIsWritten(),
    )
    run.finish_writing()
    return zlib.crc32(b"".join(model.arg_params[key].tobytes() for key in sorted(model.arg_params)))

mount("full", "size=200k")
mount("small", "size=8k")
mount("read-only", "size=1m,ro")
bits, failed, kept, errors = {}, {}, {}, {}
for name in ("good", "full", "small", "read-only"):
    bits[name], failed[name] = train(name), run.failed
    kept[name] = [snapshot.verify(run.folder.path / one).head["step"] for one in run.folder.names()]
os.environ["PUSHGRAD_ON_SNAPSHOT_FAILURE"] = "stop"
script_run._runs.clear()
for name in ("small", "read-only"):
    try:
        train(name)
    except JobError as error:
        errors[name] = str(error)
print(json.dumps([bits, failed, kept, errors]))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Of each folder: the training's bits, how often a snapshot failed, the steps of those that are there, an error."""
    folder = tmp_path_factory.mktemp("disks")
    (folder / "train.py").write_text(TRAINS)
    command = [*UNSHARE, sys.executable, "train.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_the_training_has_the_same_bits_whatever_the_disk_is_like(trained):
    (bits, *_), _ = trained
    assert set(bits) == {"good", "full", "small", "read-only"}
    assert len(set(bits.values())) == 1


def test_the_snapshots_that_a_disk_had_room_for_stay(trained):
    (_, failed, kept, _), said = trained
    assert kept == {"good": [9, 10, 10], "full": [1, 2], "small": [], "read-only": []}
    # Of ten steps and the result; where it is read-only, also at the start.
    assert failed == {"good": 0, "full": 9, "small": 11, "read-only": 12}
    assert said.count("snapshot not written") == 9 + 11 + 12
    assert "snapshot not written (9 so far): [Errno 28] No space left on device; the training goes on, and" in said
    assert "snapshot not written (1 so far): [Errno 30] Read-only file system" in said


def test_or_the_training_ends(trained):
    (*_, errors), _ = trained
    assert errors["small"].startswith("snapshot not written: [Errno 28] No space left on device; ")
    assert errors["read-only"].startswith("snapshot not written: [Errno 30] Read-only file system")
    assert errors["small"].endswith("With PUSHGRAD_ON_SNAPSHOT_FAILURE=warn the training would go on")
