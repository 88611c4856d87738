"""LeNet on the workers of a job, of whom the last is killed once: the moments of the kill and of the next new step.

Arguments: MNIST's folder, the folder for the moments, and how many seconds old the script is to be when it is killed.
"""

import os
import signal
import sys
import time
from pathlib import Path

from data import digits

import pushgrad as mx

KILL, LAST = 45, 60  # steps; there is a snapshot after 40


class Killer:
    all_ranks = True

    def batch_end(self, param):
        step, killed = param.model.num_update, folder / "killed"
        if step == KILL and mx.rank() == mx.num_workers() - 1 and not killed.exists():
            time.sleep(max(0.0, began + age - time.time()))
            killed.write_text(repr(time.time()))
            os.kill(os.getpid(), signal.SIGKILL)
        if step == KILL + 1 and mx.rank() == 0:
            (folder / "new").write_text(repr(time.time()))

    def state(self):
        return {}

    def restore(self, state):
        pass


began, folder, age = time.time(), Path(sys.argv[2]), float(sys.argv[3])
X, y = digits(sys.argv[1], LAST * 100)
mx.FeedForward.create(
    mx.models.get("lenet"), X, y, num_epoch=1, batch_size=100, learning_rate=0.01, momentum=0.9, verbose=False,
    initializer=mx.init.Xavier(), batch_end_callback=Killer(),
)  # fmt: skip
