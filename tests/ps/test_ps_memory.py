"""A server's memory stays within the bound that docs/protocol.md states, and does not grow with the steps."""

import json

import pytest

TRAIN = """
    import json, sys
    import numpy as np
    import pushgrad as mx

    def resident(pid):
        with open(f"/proc/{pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) * 1024

    server, size = int(sys.argv[1]), 1_500_000
    kv = mx.kv.create("dist_sync")
    kv.set_optimizer(mx.optimizer.SGD(0.1, momentum=0.9))
    shapes = {"warm": 1, "a": size, "b": size, "c": size, **{f"s{i}": 100 for i in range(50)}}
    weights = {key: np.zeros(shape, np.float32) for key, shape in shapes.items()}
    gradients = {key: np.ones_like(array) for key, array in weights.items()}

    def step(n, keys):
        for key in keys:
            kv.push_gradient(key, gradients[key], n, 0.1)
            kv.pull_weight(key, weights[key])
        kv.wait()

    kv.init("warm", weights["warm"])
    step(1, ["warm"])
    base, seen = resident(server), []
    for key in [key for key in weights if key != "warm"]:
        kv.init(key, weights[key])
    for n in range(1, 201):
        step(n, [key for key in weights if key != "warm"])
        seen.append(resident(server))
    third = len(seen) // 3
    print(json.dumps([base, max(seen[: 2 * third]), max(seen[-third:]), kv.stats()[0].bytes]))
"""
FRAME, QUEUED = 4 << 20, 8


@pytest.mark.long
def test_memory_of_a_server_is_flat_and_bounded(new_job):
    job = new_job(2, 1)
    job.start_scheduler()
    server = job.start_server(0)
    for rank in range(2):
        job.start_worker(rank, TRAIN, server.pid)
    job.succeed(110)
    base, early, late, held = json.loads(job.out("worker0"))
    weights = 4 * (3 * 1_500_000 + 50 * 100 + 1)
    assert held == weights * (1 + 1 + 2)  # weights, momentum, and a gradient slot for each of two workers
    assert late < base + held + 2 * 2 * QUEUED * FRAME
    assert late < early + 2 * FRAME
