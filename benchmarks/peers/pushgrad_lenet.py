"""LeNet here, in one process."""

import sys
from pathlib import Path

from turns import digits, take_turns

import pushgrad as mx

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from mnist import lenet

if sys.argv[1] == "--version":
    print(f"pushgrad {mx.__version__}")
    sys.exit()

X, y = digits(sys.argv[1], int(sys.argv[2]))
mx.random.seed(0)
model = mx.FeedForward(
    lenet(), num_epoch=0, batch_size=100, learning_rate=0.05, momentum=0.9, wd=1e-5, initializer=mx.init.Uniform(0.01)
)


def epoch():
    model.num_epoch += 1
    model.fit(X, y, verbose=False)


take_turns(epoch)
