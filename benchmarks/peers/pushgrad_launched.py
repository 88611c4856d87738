"""LeNet here, on two workers and a server under `launch`: a job per epoch, of which the second epoch is timed.

Run by itself it starts the jobs; run by `launch` it is the worker.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from turns import digits

import pushgrad as mx

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from mnist import lenet


def worker(folder, count):
    """Two epochs; rank 0 prints the seconds of the second."""
    X, y = digits(folder, count)
    ends = []
    mx.FeedForward.create(
        lenet(), X, y, num_epoch=2, batch_size=100, learning_rate=0.05, momentum=0.9, wd=1e-5, verbose=False,
        batch_end_callback=lambda param: ends.append((param.epoch, time.perf_counter())),
    )  # fmt: skip
    if mx.rank() == 0:
        print("seconds", ends[-1][1] - max(when for epoch, when in ends if epoch == 1))


def job():
    """The seconds that rank 0 printed."""
    command = [sys.executable, "-m", "pushgrad.launch", "--workers", "2", __file__, *sys.argv[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return next(line.split()[-1] for line in done.stdout.splitlines() if "seconds" in line)


if sys.argv[1] == "--version":
    print(f"pushgrad {mx.__version__}")
elif "DMLC_ROLE" in os.environ:
    worker(sys.argv[1], int(sys.argv[2]))
else:
    print("ready", flush=True)
    for _ in sys.stdin:
        print(job(), flush=True)
