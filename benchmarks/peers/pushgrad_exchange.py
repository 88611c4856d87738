"""Push and pull of all keys by each worker of a job of ours; `mode` empty: all arrays are the store's."""

import numpy as np
from turns import take_turns, task

import pushgrad as mx

todo = task()
kv = mx.kv.create("dist_sync")
kv.set_optimizer(mx.optimizer.create("sgd", learning_rate=1e-6, momentum=0.9))
keys = list(range(todo.keys))
kv.init(keys, [np.zeros(todo.elements, np.float32)] * todo.keys)
in_place = todo.mode == "empty"
gradients = [kv.empty(key) if in_place else np.empty(todo.elements, np.float32) for key in keys]
weights = [kv.value(key) if in_place else None for key in keys]
weights = [np.empty(todo.elements, np.float32) if weight is None else weight for weight in weights]
for gradient in gradients:
    gradient[:] = 1e-3
done = 0


def in_the_store_s_arrays():
    """As fit does it: what is in shared memory need not be copied."""
    global done
    for _ in range(todo.steps):
        done += 1
        with kv.together():
            for key, gradient, weight in zip(keys, gradients, weights, strict=True):
                kv.push_gradient(key, gradient, done, 1e-6)
                kv.pull_weight(key, weight)
        kv.wait()


def in_arrays_of_one_s_own():
    for _ in range(todo.steps):
        kv.push(keys, gradients)
        kv.pull(keys, out=weights)


take_turns(f"pushgrad {mx.__version__}", in_the_store_s_arrays if in_place else in_arrays_of_one_s_own)
kv.close()
