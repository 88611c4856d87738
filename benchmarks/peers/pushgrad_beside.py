"""A backward pass of matrix products, layer by layer from the last to the first, whose gradients travel meanwhile.

The exchange is done as fit does it, through worker.exchange.Exchange.
"""

import time

import numpy as np
from turns import take_turns, task

import pushgrad as mx
from pushgrad.worker.training.gradient_exchange import Exchange

COMPUTE = 0.5  # seconds of a step
todo = task()
network = mx.models.get("resnet50")
shapes = dict(zip(network.list_arguments(), network.infer_shape(data=(1, 3, 224, 224))[0], strict=True))
names = [name for name in shapes if name not in ("data", "softmax_label")]
kv = mx.kv.create("dist_sync")
kv.set_optimizer(mx.optimizer.create("sgd", learning_rate=1e-6, momentum=0.9))
kv.init(names, [np.zeros(shapes[name], np.float32) for name in names])
gradients = {name: kv.empty(name) for name in names}
weights = {name: kv.value(name) for name in names}
for gradient in gradients.values():
    gradient[:] = 1e-3
exchange = Exchange(kv, weights)
a = np.ones((256, 256), np.float32)
out = np.empty_like(a)


def products(count):
    for _ in range(count):
        np.matmul(a, a, out=out)


products(500)
started = time.perf_counter()
products(500)
per_layer = max(1, round(COMPUTE / ((time.perf_counter() - started) / 500) / len(names)))
done = 0


def work():
    global done
    for _ in range(todo.steps):
        done += 1
        exchange.begin(done, 1e-6)
        for name in reversed(names):
            products(per_layer)
            if todo.exchange:
                exchange.announce(name, gradients[name])
        kv.wait()


take_turns(f"pushgrad {mx.__version__}", work)
kv.close()
