"""Scripts that torchrun, mpirun or srun has started N times: never N models without a word."""

import os
import subprocess
import sys

import pytest

from pushgrad.common.foreign_launcher import KNOWN, foreign_launcher

FIT = """
import numpy as np
import pushgrad as mx
net = mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1))
X, y = np.ones((8, 2), np.float32), np.ones(8, np.float32)
mx.FeedForward.create(net, X, y, num_epoch=1, batch_size=4, verbose=False{more})
print("trained")
"""
RANK = "import pushgrad as mx; print(mx.rank(), mx.num_workers())"


def run(code, **env):
    """All processes that such a launcher would start, side by side: (exit code, output, errors) of each."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("DMLC_", "PUSHGRAD_", "SLURM_"))}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**clean, **{name: text.format(rank=rank) for name, text in env.items()}},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    said = [process.communicate(timeout=60) for process in started]
    return [(process.returncode, *texts) for process, texts in zip(started, said, strict=True)]


@pytest.mark.parametrize(("name", "size", "rank"), KNOWN, ids=[size for _, size, _ in KNOWN])
def test_each_is_known(name, size, rank):
    found = foreign_launcher({size: "2", rank: "1"})
    assert str(found) == f"{name} ({size}=2)"
    assert foreign_launcher({size: "1", rank: "0"}) is None, "one process is no danger"
    assert foreign_launcher({size: "2"}) is None, "batch systems set it for scripts that run once"
    assert foreign_launcher({size: "two", rank: "0"}) is None
    assert foreign_launcher({size: "2", rank: "1", "DMLC_ROLE": "worker"}) is None, "a job of ours"


def test_a_fit_is_refused_with_the_remedy():
    for code, out, err in run(FIT.format(more=""), WORLD_SIZE="2", RANK="{rank}"):
        assert (code, out) == (1, "")
        assert "torchrun (WORLD_SIZE=2) has started 2 processes without a job of pushgrad" in err
        assert "Start it with `launch --workers 2 train.py` instead" in err and 'kvstore="local"' in err


@pytest.mark.long
def test_separate_models_can_be_asked_for():
    for code, out, err in run(FIT.format(more=", kvstore='local'"), OMPI_COMM_WORLD_SIZE="2", OMPI_COMM_WORLD_RANK="0"):
        assert (code, out, err) == (0, "trained\n", "")


def test_a_rank_that_all_of_them_have_is_warned_of():
    for code, out, err in run(RANK, PMI_SIZE="2", PMI_RANK="{rank}"):
        assert (code, out) == (0, "0 1\n")
        assert "mpirun (PMI_SIZE=2) has started 2 processes" in err and "mx.rank() is 0 in each of them" in err
