"""Push and pull of a ResNet-50's keys, timed between barriers: says when it begins, and each step's seconds."""

import json
import sys
import time

import numpy as np

import pushgrad as mx

steps = int(sys.argv[1])
network = mx.models.get("resnet50")
shapes = dict(zip(network.list_arguments(), network.infer_shape(data=(1, 3, 224, 224))[0], strict=True))
names = [name for name in shapes if name not in ("data", "softmax_label")]
kv = mx.kv.create("dist_sync")
kv.set_optimizer(mx.optimizer.create("sgd", learning_rate=1e-6, momentum=0.9))
kv.init(names, [np.zeros(shapes[name], np.float32) for name in names])
gradients = {name: np.full(shapes[name], 1e-3, np.float32) for name in names}
weights = {name: np.empty(shapes[name], np.float32) for name in names}
done = 0


def step():
    global done
    done += 1
    with kv.together():
        for priority, name in enumerate(names):
            kv.push_gradient(name, gradients[name], done, 1e-6, -priority)
            kv.pull_weight(name, weights[name], -priority)
    kv.wait()


step()
kv.barrier()
print("begin", flush=True)
times = []
for _ in range(steps):
    started = time.perf_counter()
    step()
    times.append(time.perf_counter() - started)
print(json.dumps({"seconds": times, "bytes": sum(array.nbytes for array in weights.values())}), flush=True)
kv.barrier()
kv.close()
