"""`set_gradient_compression`: of a store of one process, and of a job with real servers."""

import functools
import json
import subprocess
import sys
import textwrap
import threading
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from long_after import long_after

import pushgrad as mx
from pushgrad.common.coding import Coding
from pushgrad.ps.compression import decode, encode
from pushgrad.ps.optimizer import SGD
from pushgrad.ps.store import Entry
from pushgrad.worker.store import compression

SIZE = 1211 * 1000  # more than a frame holds


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("2bit", "type"),
        ({"type": "3bit"}, "2bit"),
        ({"type": "2bit", "threshold": 0}, "threshold"),
        ({"type": "2bit", "threshold": "a"}, "threshold"),
        ({"type": "topk", "ratio": 1.5}, "at most 1"),
        ({"type": "fp16", "threshold": 1}, "no parameter threshold"),
    ],
)
def test_wrong_parameters(given, what):
    with pytest.raises(mx.PushgradError, match=what):
        mx.kv.create("device").set_gradient_compression(given)


def test_where_and_when_it_cannot_be_set():
    with pytest.raises(mx.PushgradError, match='"device"'):
        mx.kv.create("local").set_gradient_compression({"type": "fp16"})
    kv = mx.kv.create("device")
    kv.init(["w", "d"], [np.zeros(3, np.float32), np.zeros(3)])
    kv.set_gradient_compression({"type": "fp16"})
    with pytest.raises(mx.PushgradError, match="key 'd': compression: expected float32"):
        kv.push("d", np.ones(3))
    kv.push("w", np.full(3, 0.1, np.float32))
    with pytest.raises(mx.PushgradError, match="before the first push"):
        kv.set_gradient_compression({"type": "none"})
    kv.pull("w", out := np.empty(3, np.float32))
    np.testing.assert_array_equal(out, np.float32(np.float16(0.1)))
    assert kv.compression_stats() == {"plain": 12, "sent": 6}


def side_by_side(tasks):
    threads = [threading.Thread(target=task, daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def store_of(keys):
    kv = mx.kv.create("device")
    kv.init(keys, [np.zeros(8, np.float32) for _ in keys])
    kv.set_gradient_compression({"type": "fp16"})
    return kv


@pytest.mark.timeout(30)
def test_bytes_that_two_threads_count_at_the_same_time(monkeypatch):
    kv, both = store_of(["a", "b"]), threading.Barrier(2)

    class Code(SimpleNamespace):
        @property
        def nbytes(self):
            both.wait(10)  # the other thread is counting, too
            return 16

    monkeypatch.setattr(compression, "encode", lambda *_: Code())
    monkeypatch.setattr(compression, "decode", lambda *_: np.zeros(8, np.float32))
    side_by_side([lambda key=key: kv.push(key, np.ones(8, np.float32)) for key in "ab"])
    assert kv.compression_stats() == {"plain": 64, "sent": 32}


@pytest.mark.timeout(60)
def test_bytes_that_many_threads_count():
    keys, pushes = ["a", "b", "c", "d"], 500
    kv, before = store_of(keys), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        side_by_side([lambda k=key: [kv.push(k, np.ones(8, np.float32)) for _ in range(pushes)] for key in keys])
    finally:
        sys.setswitchinterval(before)
    assert kv.compression_stats() == {"plain": 32 * 4 * pushes, "sent": 16 * 4 * pushes}


CODINGS = {
    "fp16": ({"type": "fp16"}, Coding("fp16")),
    "bf16": ({"type": "bf16"}, Coding("bf16")),
    "2bit": ({"type": "2bit", "threshold": 0.5}, Coding("2bit", 0.5)),
    "topk": ({"type": "topk", "ratio": 0.01}, Coding("topk", float(np.float32(0.01)))),
}
JOB = f"""
    import json, sys, zlib
    import numpy as np
    import pushgrad as mx

    for name, given in json.loads(sys.argv[1]).items():
        kv = mx.kv.create("dist_sync")
        kv.set_optimizer(mx.optimizer.SGD(0.1, momentum=0.9))
        kv.set_gradient_compression(given)
        kv.init("w", np.ones({SIZE}, np.float32))
        out = np.empty({SIZE}, np.float32)
        for n in range(3):
            kv.push("w", np.random.default_rng([kv.rank, n]).normal(size={SIZE}).astype(np.float32))
            kv.pull("w", out)
        print(name, zlib.crc32(out.tobytes()), kv.compression_stats()["sent"])
        kv.close()
"""


@functools.cache
def expected(name, workers=2):
    coding, half = CODINGS[name][1], SIZE // 2
    sgd, entry = SGD(momentum=0.9), Entry(np.ones(SIZE, np.float32))
    entry.prepare(sgd)
    residuals, sent = np.zeros((workers, SIZE), np.float32), 0
    for n in range(3):
        rows = np.empty((workers, SIZE), np.float32)
        for rank in range(workers):
            values = np.random.default_rng([rank, n]).normal(size=SIZE).astype(np.float32)
            for low, high in ((0, half), (half, SIZE)):
                code = encode(coding, values[low:high], residuals[rank, low:high])
                rows[rank, low:high] = decode(coding, code, high - low)
                sent += code.nbytes if rank == 0 else 0
        entry.apply(sgd, rows, 0.1)
    return [name, str(zlib.crc32(entry.weight.tobytes())), str(sent)]


@pytest.fixture(scope="module", params=[True, False], ids=["on-one-host", "tcp"])
def job(new_shared_job, request):
    """A job that has trained with one coding after the other, each in a store of its own."""
    job = new_shared_job(2, 1, ipc=request.param)
    job.start(JOB, json.dumps({name: given for name, (given, _) in CODINGS.items()}))
    job.wait()
    return job


@pytest.mark.parametrize("name", CODINGS)
def test_a_job_has_the_bits_of_one_process(job, name):
    job.succeed()
    for rank in range(2):
        lines = [line.split() for line in job.out(f"worker{rank}").splitlines()]
        assert [line for line in lines if line[0] == name] == [expected(name)]


def test_workers_that_compress_differently_are_told(new_job):
    code = """
        import pushgrad as mx
        kv = mx.kv.create("dist_sync")
        kv.set_gradient_compression({"type": "2bit", "threshold": 0.5 + kv.rank})
    """
    job = new_job(2, 1).start(code)
    job.wait(60)
    assert "do not do the same" in job.err("worker0") + job.err("worker1")


@pytest.mark.parametrize("kind", ["device", "dist_sync"])
def test_a_step_that_the_coding_refuses_can_be_repeated(new_job, kind):
    code = f"""
        import numpy as np
        import pushgrad as mx
        kv = mx.kv.create({kind!r})
        kv.set_gradient_compression({{"type": "fp16"}})
        kv.init("w", np.zeros(4, np.float32))
        try:
            kv.push("w", np.full(4, 1e6, np.float32))
        except mx.PushgradError as error:
            print(error)
        kv.push("w", np.full(4, 2.0, np.float32))
        out = np.empty(4, np.float32)
        kv.pull("w", out)
        print(out)
    """
    job = new_job(1, 1)
    if kind == "device":
        job.spawn("worker0", [sys.executable, "-c", textwrap.dedent(code)])
    else:
        job.start(code)
    job.succeed()
    refused, value = job.out("worker0").splitlines()
    assert "fp16" in refused
    assert value == "[2. 2. 2. 2.]"


def test_a_network_learns_with_compressed_gradients():
    random = np.random.default_rng(1)
    X = random.normal(size=(200, 5)).astype(np.float32)
    y = (X.sum(axis=1) > 0).astype(np.float32)
    mx.random.seed(1)
    model = mx.FeedForward.create(
        mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2), name="softmax"),
        X, y, num_epoch=40, batch_size=50, learning_rate=0.5, kvstore="device", verbose=False,
        compression_params={"type": "2bit", "threshold": 2.0},
    )  # fmt: skip
    assert model.score(X, y) > 0.95


REFUSED_THEN_PUSHED = """
    import sys
    import numpy as np
    import pushgrad as mx

    kv = mx.kv.create(sys.argv[1])
    kv.init(["w", "v"], [np.zeros(3, np.float32)] * 2)
    kv.init("d", np.zeros(3))
    kv.set_gradient_compression({"type": "fp16"})
    for key, wrong in (("w", np.full(3, 1e6, np.float32)), ("d", np.ones(3)), ("w", np.full(3, np.nan, np.float32))):
        try:
            kv.push(key, wrong)
        except mx.PushgradError as error:
            print(error)
    for n in (1, 2):
        kv.push("w", np.full(3, n, np.float32))
        kv.pull("w", out := np.empty(3, np.float32))
        assert (out == n * kv.num_workers).all(), out
    kv.pull("d", out := np.empty(3))
    assert not out.any()
    kv.close()
"""


@pytest.mark.parametrize("workers", long_after(1, [0, 1, 2]))
def test_a_refused_push_leaves_its_key_usable(new_job, workers, tmp_path):
    if workers:
        job = new_job(workers).start(REFUSED_THEN_PUSHED, "dist_sync")
        job.succeed()
        told = job.out("worker0")
    else:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(REFUSED_THEN_PUSHED), "device"],
            capture_output=True, text=True, timeout=60, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = done.stdout
    assert "a gradient is too large for fp16" in told and "key 'd': compression: expected float32" in told
    assert "NaN" in told
