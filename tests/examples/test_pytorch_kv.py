"""examples/pytorch_kv.py: a PyTorch network that our servers update, beside torch's own optimizer.

Needs an interpreter with torch and pushgrad, named by PUSHGRAD_TORCH.
"""

import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pushgrad.worker.files.formats.torch.torch_file import load_torch

ROOT = Path(__file__).parents[2]
PYTHON = os.environ.get("PUSHGRAD_TORCH", "")


pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not PYTHON, reason="PUSHGRAD_TORCH names no interpreter with torch and pushgrad"),
]


@pytest.mark.timeout(900)
def test_the_servers_train_as_torch_does(tmp_path):
    ways = {
        "plain": [PYTHON, "examples/pytorch_kv.py", "--plain"],
        "alone": [PYTHON, "examples/pytorch_kv.py"],
        "job": [PYTHON, "-m", "pushgrad.launch", "--workers", "2", "examples/pytorch_kv.py"],
    }
    saved = {}
    for name, argv in ways.items():
        file = tmp_path / f"{name}.pt"
        done = subprocess.run([*argv, "--save", file], cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert "Test-accuracy=0.8" in done.stdout or "Test-accuracy=0.9" in done.stdout
        saved[name] = load_torch(file)
    for name in ("alone", "job"):
        for key, array in saved["plain"].items():
            np.testing.assert_allclose(saved[name][key], array, rtol=1e-4, atol=1e-6)


# The example itself, which is killed when so many steps are done and a snapshot has been written.
KILLED = """
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, "examples")
import pytorch_kv

step = pytorch_kv.Served.step

def deadly(served):
    step(served)
    if served.done == 60 and served.kv.rank == 1:
        while not list(Path(os.environ["PUSHGRAD_SNAPSHOT_DIR"]).glob("0*")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)

pytorch_kv.Served.step = deadly
pytorch_kv.main()
"""


@pytest.mark.timeout(900)
def test_a_killed_training_goes_on_with_the_same_bits(tmp_path):
    script = tmp_path / "killed" / "pytorch_kv.py"
    script.parent.mkdir()
    script.write_text(KILLED)

    def run(name, script, *options, code=0):
        job = [PYTHON, "-m", "pushgrad.launch", "--workers", "2", *options, script, "--save", tmp_path / f"{name}.pt"]
        env = {**os.environ, "PUSHGRAD_SNAPSHOT_DIR": str(tmp_path / "kept")}
        done = subprocess.run(job, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == code, done.stderr
        return done

    run("undisturbed", "examples/pytorch_kv.py")
    run("killed", script, "--snapshot", "20steps", code=128 + signal.SIGKILL)
    done = run("resumed", "examples/pytorch_kv.py", "--snapshot", "20steps", "--servers", "3", "--resume", "auto")
    assert "the training goes on after step" in done.stderr
    expected, found = (load_torch(tmp_path / f"{name}.pt") for name in ("undisturbed", "resumed"))
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array)
