"""Connections that are cut in the middle of a frame, and slow ones: the result has the same bits."""

import numpy as np
import pytest
from long_after import long_after
from proxy import Proxy

TRAIN = """
    import os
    import sys
    import numpy as np
    import pushgrad as mx
    from pushgrad.worker.store import transport

    class Detour(transport.ServerLine):  # through the proxy of the test
        def __init__(self, network, env, endpoint, outbox, identity):
            host, _, port = endpoint.rpartition(":")
            with open(f"server_port.{os.getpid()}", "w") as file:
                file.write(port)
            os.replace(file.name, "server_port")  # whole at once: the proxy reads it meanwhile
            super().__init__(network, env, f"{host}:{sys.argv[1]}", outbox, identity)

    transport.ServerLine = Detour
    kv = mx.kv.create("dist_sync")
    kv.set_optimizer(mx.optimizer.SGD(0.1, momentum=0.9))
    weights = {"a": np.zeros(300_000, np.float32), "b": np.zeros(7, np.float32)}
    for key, array in weights.items():
        kv.init(key, array)
    for n in range(1, 31):
        for key, array in weights.items():
            kv.push_gradient(key, np.full_like(array, n * (kv.rank + 1)), n, 0.1)
            kv.pull_weight(key, array)
        kv.wait()
        assert kv.session.gather(b"%d" % n) == [b"%d" % n] * 2
    print(float(weights["a"][0]), float(weights["a"][-1]), float(weights["b"][3]))
"""


def expected():
    weight = momentum = np.float32(0)
    for n in range(1, 31):
        momentum = np.float32(0.9) * momentum - np.float32(0.1) * np.float32(3 * n)
        weight += momentum
    return float(weight)


def trained_through(new_job, *ways):
    """Two workers train, each of them through the same proxies to scheduler and server, which are given back."""
    job = new_job(2, 1, ipc=False, PUSHGRAD_INSECURE="1").start_scheduler()
    root = int(job.env["DMLC_PS_ROOT_PORT"])
    job.start_server(0)
    targets = (lambda: root, lambda: int((job.folder / "server_port").read_text()))
    to_scheduler, to_server = (Proxy(target, **way) for target, way in zip(targets, ways, strict=True))
    for rank in range(2):
        job.start_worker(rank, TRAIN, to_server.port, DMLC_PS_ROOT_PORT=str(to_scheduler.port))
    try:
        job.succeed(90)
    finally:
        job.stop()
        to_scheduler.close()
        to_server.close()
    for rank in range(2):
        assert [float(text) for text in job.out(f"worker{rank}").split()] == [expected()] * 3
    return to_scheduler, to_server


@pytest.mark.parametrize("seed", long_after(1, range(3)))
def test_cut_connections_change_nothing(new_job, seed):
    to_scheduler, to_server = trained_through(
        new_job,
        {"seed": seed, "cuts": 6, "low": 200, "high": 1_500},
        {"seed": seed + 100, "cuts": 12, "low": 10_000, "high": 8_000_000},
    )
    assert to_scheduler.cut > 2
    assert to_server.cut > 2


@pytest.mark.long
def test_a_slow_and_lossy_line_changes_nothing(new_job):
    to_scheduler, to_server = trained_through(new_job, {"seed": 1, "late": 0.2}, {"seed": 2, "late": 0.02})
    assert to_scheduler.delayed > 2
    assert to_server.delayed > 2
