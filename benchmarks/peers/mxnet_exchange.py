"""Push and pull of all keys by each worker of a job of MXNet's: ps-lite, and SGD with momentum on the servers."""

import mxnet as mx  # serves until the job ends, where DMLC_ROLE is server or scheduler
from turns import take_turns, task

todo = task()
kv = mx.kv.create("dist_sync")
kv.set_optimizer(mx.optimizer.create("sgd", learning_rate=1e-6, momentum=0.9))
keys = list(range(todo.keys))
gradients = [mx.nd.ones(todo.elements) for _ in keys]
weights = [mx.nd.zeros(todo.elements) for _ in keys]
kv.init(keys, weights)


def work():
    for _ in range(todo.steps):
        kv.push(keys, gradients)
        kv.pull(keys, out=weights)
        mx.nd.waitall()


take_turns(f"mxnet {mx.__version__}", work)
