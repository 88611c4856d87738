"""LeNet in a job that is killed at random moments as often as it may begin again: the seconds of work that are lost.

Arguments: MNIST's folder, the seconds between two snapshots, and the folder in which the file `answer` gets a list of
them. A thread of the last worker kills it, one to two intervals after its training has begun or gone on.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from data import digits

import pushgrad as mx

STEP = 0.01  # seconds, at least


class Watched:
    """Notes in a file when each step was done, as far as is known: of a killed process nothing else stays."""

    all_ranks = True
    notes = None

    def batch_end(self, param):
        time.sleep(STEP)
        if mx.rank() == mx.num_workers() - 1:
            if self.notes is None:
                self.begin(param.model.num_update - 1)
            self.notes.write(f"{param.model.num_update} {time.time()}\n")

    def begin(self, step):
        """Tell what the last kill has cost, now that the training goes on after `step`; prepare the next one."""
        if killed.exists():
            done = dict(map(float, line.split()) for line in moments.read_text().splitlines())
            lost = [
                *(json.loads(answer.read_text()) if answer.exists() else []),
                float(killed.read_text()) - done[step],
            ]
            answer.write_text(json.dumps(lost))
        self.notes = moments.open("w", buffering=1)
        self.notes.write(f"{step} {time.time()}\n")
        wait = random.Random(os.environ["PUSHGRAD_GENERATION"]).uniform(interval, 2 * interval)
        threading.Timer(wait, self.kill).start()

    def kill(self):
        killed.write_text(repr(time.time()))
        os.kill(os.getpid(), signal.SIGKILL)

    def state(self):
        return {}

    def restore(self, state):
        pass


interval, folder = float(sys.argv[2]), Path(sys.argv[3])
killed, moments, answer = (folder / name for name in ("killed", "moments", "answer"))
X, y = digits(sys.argv[1], 10_000)
mx.FeedForward.create(
    mx.models.get("lenet"), X, y, num_epoch=100_000, batch_size=20, learning_rate=0.01, momentum=0.9, verbose=False,
    initializer=mx.init.Xavier(), batch_end_callback=Watched(),
)  # fmt: skip
