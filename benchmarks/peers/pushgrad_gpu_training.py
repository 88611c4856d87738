"""Training here on a GPU. A turn is `epochs` epochs, or, with `whole`, a call of fit from arrays in host memory.

Without `whole` the turns lie inside one fit, so that binding and capturing count for none.
"""

import importlib
import traceback

from gpu_turns import GpuTurns, gpu_data, take_turns
from turns import task

import pushgrad as mx

todo = task()
GPU = todo.on == "gpu"


def synchronize():
    """Wait for the device, whatever streams fit works on."""
    if GPU:
        importlib.import_module("cupy").cuda.runtime.deviceSynchronize()


class Paced(mx.io.NDArrayIter):
    """Ends a turn after `epochs` epochs, when fit asks for the next one. The first one is the warm-up.

    A callback would cost: for it, fit hands back all weights after every epoch.
    """

    turns, ended = None, 0

    def reset(self):
        super().reset()
        self.ended += 1
        if self.ended % todo.epochs:
            return
        synchronize()
        if self.turns is None:
            self.turns = GpuTurns(facts())
        else:
            self.turns.end()
        if not self.turns.begin() and self.ended < LAST:
            raise SystemExit  # the others failed, or there is no time left


def fit(X, y, epochs, **more):
    precision = {"precision": todo.precision} if GPU else {}
    mx.random.seed(0)
    return mx.FeedForward.create(
        mx.models.get(todo.network), X, y, ctx=mx.gpu(0) if GPU else mx.cpu(), num_epoch=epochs,
        batch_size=todo.batch, initializer=mx.init.Xavier(), verbose=False, learning_rate=todo.rate, momentum=0.9,
        wd=1e-5, **precision, **more,
    )  # fmt: skip


def train():
    """A training from arrays in host memory to its last update."""
    model = fit(X, y, todo.epochs, shuffle=todo.shuffle)
    synchronize()
    return model


def facts(**more):
    """The versions of what computes."""
    versions = {"pushgrad": mx.__version__}
    for name in ("cupy", "cudnn") if GPU else ():
        module = importlib.import_module(name)
        versions[name if name == "cupy" else "cudnn-frontend"] = module.__version__
    return {"versions": versions, **more}


def accuracy(model):
    """Of the learned network, on all examples; None if it cannot be told, which the row then says."""
    try:
        return float(model.score(X, y, batch_size=1000))
    except Exception:
        traceback.print_exc()
        return None


X, y = gpu_data(todo)
LAST = todo.epochs * (1 + todo.rounds)  # epochs
if todo.whole:
    model = train()
    take_turns(facts(accuracy=accuracy(model)), train)
else:
    fit(Paced(X, y, todo.batch, shuffle=todo.shuffle), None, LAST)
