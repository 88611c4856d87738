"""Keys that are pushed and pulled by rows: the local store, and a job with real servers."""

import functools
import json
import zlib

import numpy as np
import pytest
from long_after import long_after

import pushgrad as mx
from pushgrad.ps.optimizer import SGD
from pushgrad.ps.row_sparse import summed_rows, update_rows
from pushgrad.ps.store import Entry

ROWS, WIDTH = 3000, 500  # more than one range, on each of several servers


def local_table(value, **options):
    kv = mx.kv.create("local")
    kv.set_optimizer(mx.optimizer.SGD(0.5, momentum=0.5, wd=0.1))
    kv.init("w", value, row_sparse=True, **options)
    return kv


def test_duplicates_are_summed_and_the_rest_is_left_alone():
    kv = local_table(np.zeros((4, 2), np.float32))
    kv.row_sparse_push("w", np.ones((3, 2), np.float32), row_ids=[2, 0, 2])
    out = np.empty((3, 2), np.float32)
    kv.row_sparse_pull("w", out=out, row_ids=np.array([2, 3, 0]))
    np.testing.assert_array_equal(out, [[-1.0, -1.0], [0.0, 0.0], [-0.5, -0.5]])
    kv.row_sparse_push("w", np.empty((0, 2), np.float32), row_ids=[])
    kv.pull("w", out=(whole := np.empty((4, 2), np.float32)))
    np.testing.assert_array_equal(whole[[2, 3, 0]], out)


def test_several_keys_at_once():
    kv = mx.kv.create("local")
    kv.init(["a", "b"], [np.zeros((3, 1)), np.zeros(5)], row_sparse=True)
    kv.row_sparse_push(["a", "b"], [np.ones((1, 1)), np.full(2, 3.0)], row_ids=[[1], [4, 0]])
    outs = [np.empty((2, 1)), np.empty(2)]
    kv.row_sparse_pull(["a", "b"], out=outs, row_ids=[[0, 1], [4, 1]])
    assert [out.ravel().tolist() for out in outs] == [[0.0, 1.0], [3.0, 0.0]]


@pytest.mark.parametrize(
    ("ids", "rows", "what"),
    [
        ([4], np.ones((1, 2), np.float32), "0 to 3"),
        ([-1], np.ones((1, 2), np.float32), "0 to 3"),
        ([0.5], np.ones((1, 2), np.float32), "whole numbers"),
        ([0, 1], np.ones((1, 2), np.float32), r"\(2, 2\)"),
        ([0], np.ones((1, 2), np.complex64), "float32"),
        ([0], np.full((1, 2), np.nan, np.float32), "NaN"),
    ],
)
def test_bad_rows_are_refused_and_change_nothing(ids, rows, what):
    kv = local_table(np.ones((4, 2), np.float32))
    with pytest.raises(mx.PushgradError, match=what):
        kv.row_sparse_push("w", rows, row_ids=ids)
    kv.pull("w", out=(out := np.empty((4, 2), np.float32)))
    np.testing.assert_array_equal(out, 1.0)


def test_keys_that_have_no_rows():
    kv = mx.kv.create("local")
    kv.init("dense", np.ones((2, 2)))
    with pytest.raises(mx.PushgradError, match="row_sparse=True"):
        kv.row_sparse_push("dense", np.ones((1, 2)), row_ids=[0])
    with pytest.raises(mx.PushgradError, match="row-sparse key 'number'"):
        kv.init("number", np.float32(1), row_sparse=True)
    kv.init("number", np.float32(1))


TRAIN = f"""
    import json, zlib
    import numpy as np
    import pushgrad as mx

    kv = mx.kv.create("dist_sync")
    kv.set_optimizer(mx.optimizer.SGD(0.1, momentum=0.9, wd=0.01))
    kv.init("table", np.ones(({ROWS}, {WIDTH}), np.float32), row_sparse=True)
    kv.init("plain", np.ones((3, 2), np.float32))
    for n in range(4):
        random = np.random.default_rng([kv.rank, n])
        ids = random.integers(0, {ROWS}, 40) if n < 3 else np.arange(n, n + 40 * (kv.rank == 0))
        kv.row_sparse_push("table", random.normal(size=(ids.size, {WIDTH})).astype(np.float32), ids)
        kv.push("plain", np.ones((3, 2), np.float32))
        out = np.empty((ids.size, {WIDTH}), np.float32)
        kv.row_sparse_pull("table", out, ids)
    whole = np.empty(({ROWS}, {WIDTH}), np.float32)
    kv.pull("table", whole)
    assert (whole[ids] == out).all()
    mom = kv.states(["table"])[0]["mom"]
    plain = np.empty((2, 2), np.float32)
    kv.row_sparse_pull("plain", plain, [2, 0])
    kv.close()
    print(json.dumps([zlib.crc32(array.tobytes()) for array in (whole, mom)] + plain.tolist()))
"""


@functools.cache
def expected(workers):
    sgd = SGD(momentum=0.9, wd=0.01)
    table = Entry(np.ones(ROWS * WIDTH, np.float32))
    plain = Entry(np.ones(6, np.float32))
    for entry in (table, plain):
        entry.prepare(sgd)
    for n in range(4):
        given = []
        for rank in range(workers):
            random = np.random.default_rng([rank, n])
            ids = random.integers(0, ROWS, 40) if n < 3 else np.arange(n, n + 40 * (rank == 0))
            given.append(summed_rows(ids, random.normal(size=(ids.size, WIDTH)).astype(np.float32)))
        update_rows(table, sgd, given, 0.1)
        plain.apply(sgd, np.ones((workers, 6), np.float32), 0.1)
    sums = [zlib.crc32(array.tobytes()) for array in (table.weight, table.states["mom"])]
    return sums + plain.weight.reshape(3, 2)[[2, 0]].tolist()


@pytest.mark.parametrize(("workers", "servers", "ipc"), long_after(1, [(2, 1, True), (2, 3, False)]))
def test_a_job_has_the_bits_of_one_process(new_job, workers, servers, ipc):
    job = new_job(workers, servers, ipc=ipc).start(TRAIN)
    job.succeed()
    for rank in range(workers):
        assert json.loads(job.out(f"worker{rank}")) == expected(workers)
