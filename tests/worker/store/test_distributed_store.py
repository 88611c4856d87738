"""The distributed store against real servers; what the workers print is what is compared."""

import functools
import json
import zlib

import numpy as np
import pytest
from long_after import long_after

from pushgrad.ps.optimizer import SGD
from pushgrad.ps.store import Entry

TRAIN = """
    import json, sys, zlib
    import numpy as np
    import pushgrad as mx

    SHAPES = {"w": (7, 5), "b": (), "big": (1211, 1211), "e": (0, 4)}
    kv = mx.kv.create("dist_sync")
    kv.set_optimizer(mx.optimizer.SGD(0.1, momentum=0.9, wd=0.01, rescale_grad=0.5, clip_gradient=1.0))
    weights = {key: np.full(shape, kv.rank + 1, np.float32) for key, shape in SHAPES.items()}
    for key, array in weights.items():
        kv.init(key, array, wd_mult=0.0 if key == "b" else 1.0)
    for n in range(1, 9):
        for key, array in weights.items():
            random = np.random.default_rng([kv.rank, n, len(key)])
            kv.push_gradient(key, random.normal(size=array.shape).astype(np.float32), n, 0.1 / n, priority=n % 3)
            kv.pull_weight(key, array)
        kv.wait()
    sums = {key: zlib.crc32(array.tobytes()) for key, array in weights.items()}
    states = {key: zlib.crc32(kv.states([key])[0]["mom"].tobytes()) for key in SHAPES}
    kv.close()
    print(json.dumps([sums, states]))
"""


@functools.cache
def expected(workers):
    sgd = SGD(momentum=0.9, wd=0.01, rescale_grad=0.5, clip_gradient=1.0)
    sums, states = {}, {}
    for key, shape in {"w": (7, 5), "b": (), "big": (1211, 1211), "e": (0, 4)}.items():
        entry = Entry(np.ones(int(np.prod(shape)), np.float32), wd_mult=0.0 if key == "b" else 1.0)
        entry.prepare(sgd)
        for n in range(1, 9):
            rows = [np.random.default_rng([rank, n, len(key)]).normal(size=shape) for rank in range(workers)]
            entry.apply(sgd, np.stack(rows).astype(np.float32).reshape(workers, -1), 0.1 / n)
        sums[key], states[key] = zlib.crc32(entry.weight.tobytes()), zlib.crc32(entry.states["mom"].tobytes())
    return [sums, states]


@pytest.mark.parametrize(
    ("workers", "servers", "ipc"), long_after(2, [(1, 1, True), (2, 1, True), (2, 3, False), (3, 2, True)])
)
def test_training_has_the_bits_of_one_process(new_job, workers, servers, ipc):
    job = new_job(workers, servers, ipc=ipc).start(TRAIN)
    job.succeed()
    for rank in range(workers):
        assert json.loads(job.out(f"worker{rank}")) == expected(workers)


CONFORMANCE = """
    import numpy as np
    import pushgrad as mx

    kv = mx.kv.create("dist_sync")
    kv.set_optimizer(mx.optimizer.create("test", rescale_grad=2))
    for key, shape in {3: (2, 3), 5: (1211, 1211), 7: (1200, 1200)}.items():
        kv.init(key, np.ones(shape, np.float32))
        for _ in range(3):
            kv.push(key, np.full(shape, kv.rank + 1, np.float32))
        out = np.empty(shape, np.float32)
        kv.pull(key, out=out)
        n = kv.num_workers
        assert (out == (n + 1) * n * 2 / 2 * 3 + 1).all(), out
        kv.push(key, np.full(shape, kv.rank + 1.0))  # float64, which becomes the key's float32
        assert (kv.pull(key) == (n + 1) * n * 2 / 2 * 4 + 1).all()
    kv.barrier()
    print("passed")
"""


@pytest.mark.long
def test_mxnet_s_conformance_test(new_job):
    job = new_job(3, 2).start(CONFORMANCE)
    job.succeed()
    assert [job.out(f"worker{rank}") for rank in range(3)] == ["passed\n"] * 3


SEVERAL = """
    import numpy as np
    import pushgrad as mx

    for fit in range(4):
        kv = mx.kv.create("dist_sync")
        assert kv.fit == fit + 1
        kv.init("w", np.full(3, fit + 10.0 * kv.rank))
        kv.push("w", np.full(3, kv.rank + 1.0))
        kv.pull("w", out=(out := np.empty(3)))
        np.testing.assert_array_equal(out, np.full(3, 3.0))
        if fit != 2:
            kv.close()
    last = mx.kv.create("dist_sync")  # waits until all workers have closed theirs
    print(sum(server.entries for server in last.stats()))
"""


@pytest.mark.long
def test_stores_of_one_script_are_apart_and_freed_when_closed(new_job):
    job = new_job(2, 2).start(SEVERAL)
    job.succeed()
    assert [job.out(f"worker{rank}") for rank in range(2)] == ["1\n", "1\n"]


ASYNCHRONOUS = """
    import sys, time
    import numpy as np
    import pushgrad as mx

    kv = mx.kv.create(sys.argv[1], staleness=2)
    kv.set_optimizer(mx.optimizer.create("test"))
    kv.init("w", np.zeros(4, np.float32))
    out = np.empty(4, np.float32)
    ahead = 0
    for n in range(1, 21):
        if kv.rank == 1:
            time.sleep(0.005)  # the other may get ahead; nothing waits for it to do so
        kv.push("w", np.full(4, 1.0 if kv.rank == 0 else 100.0, np.float32))
        kv.pull("w", out=out)
        mine, other = (out[0] % 100, out[0] // 100) if kv.rank == 0 else (out[0] // 100, out[0] % 100)
        assert mine >= n % 100, (mine, n)
        ahead = max(ahead, n - other)
    kv.barrier()
    kv.pull("w", out=out)
    print(int(out[0]), int(ahead))
"""


@pytest.mark.long
@pytest.mark.parametrize("kind", ["dist_async", "dist_ssp"])
def test_asynchronous_modes_lose_nothing(new_job, kind):
    job = new_job(2, 1).start(ASYNCHRONOUS, kind)
    job.succeed()
    totals = [job.out(f"worker{rank}").split() for rank in range(2)]
    assert [total for total, _ in totals] == ["2020", "2020"]
    if kind == "dist_ssp":
        assert max(int(ahead) for _, ahead in totals) <= 2


def test_workers_that_do_not_do_the_same_are_told_apart(new_job):
    code = """
        import numpy as np
        import pushgrad as mx
        kv = mx.kv.create("dist_sync")
        try:
            kv.init("w", np.zeros(3 + kv.rank, np.float32))
        except mx.PushgradError as error:
            print(error)
    """
    job = new_job(2, 1).start(code)
    job.succeed()
    for rank in range(2):
        assert "workers 0 and 1 do not do the same to their key-value store 1" in job.out(f"worker{rank}")
        assert "expected init w (3,) float32" in job.out(f"worker{rank}")


def failing(new_job, code, workers=2, **options):
    """A job that must fail; gives it once all have ended, and none by a hang."""
    job = new_job(workers, 1, **options).start(code)
    codes = job.wait(40)
    assert codes["scheduler"] == 1
    assert all(codes.values()), codes
    return job


def test_workers_must_agree_on_the_learning_rate(new_job):
    code = """
        import numpy as np
        import pushgrad as mx
        kv = mx.kv.create("dist_sync")
        kv.set_optimizer(mx.optimizer.SGD(0.1))
        kv.init("w", np.zeros(3, np.float32))
        kv.push_gradient("w", np.zeros(3, np.float32), 1, 0.1 + kv.rank)
        kv.wait()
    """
    job = failing(new_job, code)
    assert "workers disagree on the learning rate" in job.err("scheduler")


def test_nan_is_named_and_ends_the_job(new_job):
    code = """
        import numpy as np
        import pushgrad as mx
        kv = mx.kv.create("dist_sync")
        kv.init("w", np.zeros(3, np.float32))
        kv.push("w", np.zeros(3, np.float32))
        kv.push("w", np.full(3, np.nan if kv.rank == 1 else 0, np.float32))
        kv.pull("w", out=np.empty(3, np.float32))
    """
    job = failing(new_job, code)
    text = "worker 1: the gradient of key 'w' at step 2 has NaN"
    assert text in job.err("worker1")
    assert text in job.err("worker0")  # as the reason why it gave up
    assert text in job.err("scheduler")


def test_a_local_store_in_a_job_is_refused(new_job):
    code = """
        import pushgrad as mx
        mx.kv.create("local")
    """
    job = failing(new_job, code, workers=1)
    assert "they would train apart" in job.err("worker0")


def test_a_step_without_a_worker_that_left_fails_at_once(new_job):
    code = """
        import numpy as np
        import pushgrad as mx
        kv = mx.kv.create("dist_sync")
        kv.init("w", np.zeros(3, np.float32))
        for n in range(3 - kv.rank):
            kv.push("w", np.zeros(3, np.float32))
            kv.pull("w", out=np.empty(3, np.float32))
    """
    job = new_job(2, 1, lease=60).start(code)
    codes = job.wait(30)
    assert codes["worker1"] == 0 or "worker 0" in job.err("worker1")
    assert codes["worker0"] == 1
    assert "worker 1 left the job before step 3, which needs every worker's gradient" in job.err("worker0")


def test_a_forked_child_cannot_use_the_worker_s_place(new_job):
    code = """
        import os, sys
        import numpy as np
        import pushgrad as mx
        kv = mx.kv.create("dist_sync")
        kv.init("w", np.zeros(3, np.float32))
        pid = os.fork()
        if pid == 0:
            try:
                kv.barrier()
            except mx.PushgradError as error:
                print(error, flush=True)
                sys.exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        kv.push("w", np.ones(3, np.float32))
        kv.pull("w", out=(out := np.empty(3, np.float32)))
        print(out[0])
    """
    job = new_job(1, 1).start(code)
    job.succeed()
    child, *parent = job.out("worker0").splitlines()
    assert "forked child" in child
    assert parent == ["7", "1.0"]


REUSED = """
    import numpy as np
    import pushgrad as mx

    kv = mx.kv.create("dist_sync")
    kv.set_optimizer(mx.optimizer.create("test"))
    kv.init("w", np.zeros(50_000, np.float32))
    array = np.empty(50_000, np.float32)
    strided = np.empty((50_000, 2), np.float32)[:, 0]
    for step in range(5):
        for value in (1, 2, 3):  # three pushes are under way, of one array
            array[:] = value
            kv.push("w", array)
            array[:] = np.nan
        kv.pull("w", out=array)
        kv.pull("w", out=strided)
        assert (array == 12 * (step + 1)).all() and (strided == array).all(), (step, array)
    print("passed")
"""


@pytest.mark.parametrize("ipc", long_after(1, [True, False]))
def test_an_array_may_be_written_as_soon_as_push_returns(new_job, ipc):
    job = new_job(2, 1, ipc=ipc).start(REUSED)
    job.succeed()
    assert [job.out(f"worker{rank}") for rank in range(2)] == ["passed\n"] * 2


LISTS = """
    import numpy as np
    import pushgrad as mx
    from pushgrad.common.errors import DataError

    kv = mx.kv.create("dist_sync")
    keys, zeros = ["a", "b", "c"], [np.zeros(n, np.float32) for n in (3, 300_000, 5)]
    kv.init(keys, zeros)
    ones, out = [np.ones_like(zero) for zero in zeros], [np.empty_like(zero) for zero in zeros]
    with kv.together():
        kv.push(keys, ones)
        kv.push_gradient("a", ones[0], 2, 0.0)
        kv.pull("c", out=out[2])  # does not wait for what leaves only when the block ends
        print(float(out[2][0]))
    kv.pull(keys, out=out)
    print([float(array[-1]) for array in out])
    try:
        kv.push(["b", "c"], [ones[1], np.full(5, np.nan, np.float32)])
    except DataError as error:
        print("key 'c' at step 2 has NaN" in str(error))
    kv.pull("b", out=out[1])
    print(kv.keys["b"].n, kv.keys["c"].n, float(out[1][0]))
    kv.push("c", ones[2])
    kv.pull(keys, out=out)
    handed, submit = [], kv._transport.submit
    kv._transport.submit = lambda requests: (handed.append(len(requests)), submit(requests))
    kv.push(["a", "c"], [ones[0], ones[2]])
    kv.pull(["a", "c"], out=[out[0], out[2]])
    print(handed)
    wait = kv._wait_for
    kv._wait_for = lambda leg: (print(kv._held), wait(leg))  # what others push must not be held meanwhile
    kv.row_sparse_pull("a", out[0][:2], [0, 2])  # a key that is not row-sparse: its whole value
    print(float(out[0][1]))
    kv.close()
"""


@pytest.mark.parametrize("ipc", long_after(1, [True, False]), ids=["on-one-host", "tcp"])
def test_lists_travel_together_and_an_error_in_one_leaves_what_came_before_it(new_job, ipc):
    job = new_job(2, 2, ipc=ipc).start(LISTS)
    job.succeed()
    for rank in range(2):
        assert job.out(f"worker{rank}") == "2.0\n[2.0, 2.0, 2.0]\nTrue\n2 1 2.0\n[2, 2]\nNone\nNone\n2.0\n"


@pytest.mark.long
def test_mxnet_s_other_names(new_job):
    job = new_job(2, 1).start(
        """
        import pushgrad as mx
        names = ["dist", "dist_device_sync", "dist_sync_device", "dist_device_async", "dist_async_device"]
        print([mx.kv.create(name).type for name in names])
        """
    )
    job.succeed()
    kinds = ["dist_sync"] * 3 + ["dist_async"] * 2
    assert [job.out(f"worker{rank}") for rank in range(2)] == [f"{kinds}\n"] * 2


TWO_THREADS = """
    import threading
    import numpy as np
    import pushgrad as mx

    kv = mx.kv.create("dist_sync")
    keys = ["a", "b", "c"]
    for key in keys:
        kv.init(key, np.zeros({size}, np.float32))
    mine = [key if kv.rank else keys[-1 - i] for i, key in enumerate(keys)]

    def train(key):
        out = np.empty({size}, np.float32)
        for n in range(1, {steps} + 1):
            kv.push(key, np.full({size}, n, np.float32))
            kv.pull(key, out)
            assert (out == 2 * n).all(), (key, n, out)

    threads = [threading.Thread(target=train, args=(key,)) for key in mine]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("done")
"""


@pytest.mark.parametrize(("size", "ipc"), long_after(1, [(7, True), (200_000, True), (200_000, False)]))
def test_threads_with_keys_of_their_own_do_not_wait_for_each_other(new_job, size, ipc):
    job = new_job(2, 2, ipc=ipc).start(TWO_THREADS.format(size=size, steps=30))
    job.succeed(50)
    assert job.out("worker0") == job.out("worker1") == "done\n"


@pytest.mark.parametrize(("size", "rows"), long_after(1, [((5,), False), ((300_000,), False), ((5, 3), True)]))
def test_a_pull_waits_for_its_own_key_alone(new_job, size, rows):
    job = new_job(2, 1)
    code = """
        import numpy as np
        import pushgrad as mx

        kv = mx.kv.create("dist_sync")
        for key in ("a", "b"):
            kv.init(key, np.zeros({size}, np.float32), row_sparse={rows})
        out = np.empty({size}, np.float32)
        if kv.rank == 0:
            kv.push("b", np.ones({size}, np.float32))  # worker 1 pushes it last
        kv.push("a", np.ones({size}, np.float32))
        if {rows}:
            kv.row_sparse_pull("a", out, np.arange(len(out)))
        else:
            kv.pull("a", out)
        kv.session.barrier()  # which worker 0 reaches while its push of "b" is under way
        if kv.rank == 1:
            kv.push("b", np.ones({size}, np.float32))
        kv.pull("b", np.empty({size}, np.float32))
        print(out.ravel()[:2])
    """
    job.start(code.format(size=size, rows=rows)).succeed(30)
    assert job.out("worker0") == job.out("worker1") == "[2. 2.]\n"
