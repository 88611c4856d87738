"""Training here: one call of fit, of which each epoch is a turn. Under `launch` the workers share each batch."""

import time

from data import examples
from pushgrad_networks import network
from turns import Turns, task

import pushgrad as mx


class EpochTurns:
    """A callback that waits between the epochs; the first one is the warm-up. Rank 0 has it, others follow."""

    def __init__(self):
        self.turns, self.started, self.ended = None, 0.0, 0.0

    def batch_end(self, param):
        self.ended = time.perf_counter()

    def epoch_end(self, param):
        if self.turns is None:
            self.turns = Turns()
            self.turns.send(f"ready pushgrad {mx.__version__}")
        else:
            self.turns.send(self.ended - self.started)
        again = self.turns.wait()
        self.started = time.perf_counter()
        return again


todo = task()
X, y = examples(todo)
mx.random.seed(0)
mx.FeedForward.create(
    network(todo.network), X, y,
    num_epoch=1 << 20, batch_size=todo.batch, epoch_end_callback=EpochTurns(), verbose=False, slices=todo.slices,
    initializer=mx.init.Xavier(), learning_rate=0.01, momentum=0.9, wd=1e-5,
)  # fmt: skip
