"""Every optimizer has the same bits in one process and in jobs, where keys are cut into ranges on several servers."""

import json
import zlib

import numpy as np
import pytest

from pushgrad.common.wire import RANGE_ELEMENTS
from pushgrad.ps.optimizer import create
from pushgrad.ps.store import Entry
from pushgrad.worker.training.lr_scheduler import FactorScheduler

OPTIMIZERS = [
    ("nag", {"momentum": 0.9}),
    ("adam", {}),
    ("adamw", {}),
    ("adagrad", {}),
    ("adadelta", {}),
    ("rmsprop", {}),
    ("rmsprop", {"centered": True}),
    ("ftrl", {}),
    ("adamax", {}),
    ("nadam", {}),
    ("signum", {}),
    ("lamb", {}),
    ("lars", {"momentum": 0.9, "eta": 0.5}),
    ("sgld", {"seed": 3}),
]
COMMON = {"learning_rate": 0.1, "wd": 0.01, "rescale_grad": 0.5, "clip_gradient": 1.0}
SHAPES = {"fc_weight": (40, 50), "fc_bias": (7,)}
LONG = RANGE_ELEMENTS + 1000

TRAIN = f"""
    import json, zlib
    import numpy as np
    import pushgrad as mx

    def sums(kv, keys):
        found = []
        for key in keys:
            arrays = [kv.pull(key), *kv.states([key])[0].values()]
            found.append([zlib.crc32(array.tobytes()) for array in arrays])
        kv.close()
        return found

    def gradient(key, shape, n):
        return np.random.default_rng([kv.rank, n, len(key)]).normal(size=shape).astype(np.float32)

    found = []
    for name, options in {OPTIMIZERS!r}:
        kv = mx.kv.create("dist_sync")
        schedule = mx.lr_scheduler.FactorScheduler(step=2, factor=0.5)
        kv.set_optimizer(mx.optimizer.create(name, lr_scheduler=schedule, **{COMMON!r}, **options))
        for key, shape in {SHAPES!r}.items():
            kv.init(key, np.ones(shape, np.float32), lr_mult=0.5, wd_mult=float(key != "fc_bias"))
        for n in range(4):
            for key, shape in {SHAPES!r}.items():
                kv.push(key, gradient(key, shape, n))
        found.append(sums(kv, {SHAPES!r}))
    kv = mx.kv.create("dist_sync")
    kv.set_optimizer(mx.optimizer.create("lamb", **{COMMON!r}))
    kv.init("long", np.ones({LONG}, np.float32))
    for n in range(2):
        kv.push("long", gradient("long", ({LONG},), n))
    found.append(sums(kv, ["long"]))
    print(json.dumps(found))
"""


def rows(key, shape, n, workers):
    drawn = [np.random.default_rng([rank, n, len(key)]).normal(size=shape) for rank in range(workers)]
    return np.stack(drawn).astype(np.float32).reshape(workers, -1)


def sums(optimizer, key, shape, steps, workers, lr_mult=1.0, wd_mult=1.0):
    entry = Entry(np.ones(int(np.prod(shape)), np.float32), lr_mult, wd_mult, key)
    entry.prepare(optimizer)
    for n in range(steps):
        entry.apply(optimizer, rows(key, shape, n, workers), optimizer.rate(n))
    return [zlib.crc32(array.tobytes()) for array in (entry.weight, *entry.states.values())]


def expected(workers):
    found = []
    for name, options in OPTIMIZERS:
        optimizer = create(name, lr_scheduler=FactorScheduler(step=2, factor=0.5), **COMMON, **options)
        found.append(
            [sums(optimizer, key, shape, 4, workers, 0.5, float(key != "fc_bias")) for key, shape in SHAPES.items()]
        )
    return [*found, [sums(create("lamb", **COMMON), "long", (LONG,), 2, workers)]]


@pytest.mark.parametrize(("workers", "servers"), [(2, 3)])
def test_a_job_has_the_bits_of_one_process(new_job, workers, servers):
    job = new_job(workers, servers, MXNET_KVSTORE_BIGARRAY_BOUND="100").start(TRAIN)
    job.succeed(timeout=180)  # the first time, servers compile every rule
    for rank in range(workers):
        assert json.loads(job.out(f"worker{rank}")) == expected(workers)


@pytest.mark.long
def test_a_key_that_is_cut_already_is_refused(new_job):
    code = """
        import numpy as np
        import pushgrad as mx

        kv = mx.kv.create("dist_sync")
        kv.init("w", np.ones(1000, np.float32))
        kv.set_optimizer("lamb")
        try:
            kv.push("w", np.ones(1000, np.float32))
            kv.pull("w")
        except mx.PushgradError as error:
            print(error)
    """
    job = new_job(1, 2, MXNET_KVSTORE_BIGARRAY_BOUND="100").start(code)
    job.succeed()
    assert "key 'w': lamb needs the whole key on one server" in job.out("worker0")
    assert "Call set_optimizer before init" in job.out("worker0")
