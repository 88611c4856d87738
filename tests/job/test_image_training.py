"""Training on pictures: each worker with its own part of them learns what one process with all of them does."""

import sys
from pathlib import Path

import numpy as np
import pytest

import pushgrad as mx

EXAMPLE = Path(__file__).parents[2] / "examples" / "folder_of_images.py"
OPTIONS = ("--count", 250, "--num-epochs", 2, "--batch-size", 24, "--slices", 4, "--save", "net")


@pytest.fixture
def train(launch, scratch, tmp_path):
    """Runs the example; gives the bits it learnt and the log's lines on accuracy."""

    def run(workers):
        command = [str(item) for item in (EXAMPLE, *OPTIONS, "--prefix", scratch / f"{workers}" / "pictures")]
        env = {"OMP_NUM_THREADS": "1"}
        if workers is None:
            job = launch(argv=[sys.executable, *command], env=env)
        else:
            job = launch("--workers", str(workers), *command, real=True, env=env)
        code, text = job.finish(), job.text
        assert code == 0, text
        lines = [line.removeprefix("w0 | ") for line in text.splitlines() if "-accuracy=" in line]
        assert len(lines) == 4
        return (tmp_path / "net-0002.params").read_bytes(), lines

    return run


@pytest.mark.long
def test_parts_on_two_workers_give_the_bits_of_all_on_one(train):
    assert train(2) == train(None)


TRAINS = """
import sys
import pushgrad as mx

part = {"num_parts": mx.num_workers(), "part_index": mx.rank()}
pictures = mx.io.ImageRecordIter(sys.argv[1], (1, 8, 8), 4, **part)
net = mx.symbol.SoftmaxOutput(mx.symbol.FullyConnected(mx.symbol.Variable("data"), num_hidden=2), name="softmax")
mx.FeedForward.create(net, pictures, num_epoch=1)
"""


@pytest.mark.long
def test_a_damaged_picture_ends_the_job_with_its_name(launch, script, tmp_path):
    with mx.recordio.MXRecordIO(tmp_path / "few.rec", "w") as file:
        for i in range(16):
            packed = mx.recordio.pack_img((0, i % 2, i, 0), np.full((8, 8), i, np.uint8), 3, ".png")
            file.write(packed if i != 13 else packed[:40])
    job = launch("--workers", "2", script(TRAINS), "few.rec", real=True)
    assert job.finish() == 1
    assert "few.rec, record 13 at byte " in job.text and "cannot be read as a picture" in job.text
