"""examples/pytorch_kv.py: a PyTorch network that our servers update, beside torch's own optimizer.

Needs an interpreter with torch and pushgrad, named by PUSHGRAD_TORCH.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pushgrad.worker.files.formats.torch.torch_file import load_torch

ROOT = Path(__file__).parents[2]
PYTHON = os.environ.get("PUSHGRAD_TORCH", "")


@pytest.mark.torch
@pytest.mark.skipif(not PYTHON, reason="PUSHGRAD_TORCH names no interpreter with torch and pushgrad")
def test_the_servers_train_as_torch_does(tmp_path):
    ways = {
        "plain": [PYTHON, "examples/pytorch_kv.py", "--plain"],
        "alone": [PYTHON, "examples/pytorch_kv.py"],
        "job": [PYTHON, "-m", "pushgrad.launch", "--workers", "2", "examples/pytorch_kv.py"],
    }
    saved = {}
    for name, argv in ways.items():
        file = tmp_path / f"{name}.pt"
        done = subprocess.run([*argv, "--save", file], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "Test-accuracy=0.8" in done.stdout or "Test-accuracy=0.9" in done.stdout
        saved[name] = load_torch(file)
    for name in ("alone", "job"):
        for key, array in saved["plain"].items():
            np.testing.assert_allclose(saved[name][key], array, rtol=1e-4, atol=1e-6)
