"""Pooling against the plain operator: the same bits, ties, borders and NaN included."""

import numpy as np
import pytest

from pushgrad.worker.cuda.kernels.pooling import PoolKernel, WholePlanePoolKernel, pool_kernel
from pushgrad.worker.ops.pooling import Pooling


def both(bench, op, data):
    shape = op.infer_shape([data.shape], [None])[1][0]
    kernel = bench.make(pool_kernel, op, data.shape, shape)
    return kernel, *bench.both(kernel, op, [data])


def same(got, want):
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1][0], want[1][0])


def random_options(rng):
    kernel = tuple(int(k) for k in rng.integers(1, 5, 2))
    convention = str(rng.choice(["valid", "full", "same"]))
    pad = (0, 0) if convention == "same" else tuple(int(rng.integers(0, k)) for k in kernel)
    stride = tuple(int(rng.integers(1, max(2, k + p + 1))) for k, p in zip(kernel, pad, strict=True))
    return {"kernel": kernel, "stride": stride, "pad": pad, "pooling_convention": convention}


@pytest.mark.long
@pytest.mark.parametrize("kind", ["max", "avg", "sum"])
def test_random_windows(bench, kind):
    rng = np.random.default_rng(len(kind))
    tried = 0
    while tried < 8:
        op = Pooling(pool_type=kind, count_include_pad=bool(rng.integers(2)), **random_options(rng))
        data = rng.integers(-3, 3, (2, 3, *rng.integers(4, 13, 2))).astype(np.float32)  # many ties
        try:
            op.infer_shape([data.shape], [None])
        except ValueError:
            continue  # a window that lies outside
        tried += 1
        kernel, got, want = both(bench, op, data)
        assert isinstance(kernel, PoolKernel)
        same(got, want)


@pytest.mark.parametrize("kind", ["max", "avg", "sum"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 1, 1, 1), (3, 20, 9, 9), (2, 2, 11), (1, 2, 3, 4, 3)])
def test_whole_planes(bench, kind, shape):
    data = np.random.default_rng(5).integers(-4, 4, shape).astype(np.float32)
    kernel, got, want = both(bench, Pooling(global_pool=True, pool_type=kind), data)
    assert isinstance(kernel, WholePlanePoolKernel)
    same(got, want)  # sums of small whole numbers do not depend on the order


def test_a_window_as_large_as_the_plane(bench):
    data = np.random.default_rng(6).standard_normal((2, 3, 6, 5)).astype(np.float32)
    kernel, got, want = both(bench, Pooling(kernel=(6, 5), pool_type="max"), data)
    assert isinstance(kernel, WholePlanePoolKernel)
    same(got, want)


def test_several_windows_as_large_as_the_plane(bench):
    data = np.random.default_rng(6).standard_normal((2, 3, 6, 5)).astype(np.float32)
    kernel, got, want = both(bench, Pooling(kernel=(6, 5), stride=(2, 3), pooling_convention="same"), data)
    assert isinstance(kernel, PoolKernel) and got[0].shape == (2, 3, 3, 2)
    same(got, want)


@pytest.mark.parametrize("options", [{"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)}, {"global_pool": True}])
def test_the_first_nan_is_the_largest(bench, options):
    data = np.random.default_rng(7).standard_normal((2, 2, 8, 8)).astype(np.float32)
    data[0, 0, 2, 3] = data[0, 0, 5, 1] = data[1, 1, 0, 0] = data[1, 1, 0, 1] = np.nan
    same(*both(bench, Pooling(**options), data)[1:])


@pytest.mark.parametrize("options", [{"kernel": (2, 2), "pad": (1, 1)}, {"global_pool": True}])
def test_nothing_but_minus_infinity(bench, options):
    same(*both(bench, Pooling(**options), np.full((1, 1, 3, 3), -np.inf, np.float32))[1:])


def test_a_window_with_more_taps_than_a_byte_holds(bench):
    data = np.random.default_rng(8).standard_normal((1, 2, 20, 19)).astype(np.float32)
    same(*both(bench, Pooling(kernel=(17, 17)), data)[1:])


def test_no_rows(bench):
    for options in ({"kernel": (2, 2)}, {"global_pool": True}):
        same(*both(bench, Pooling(**options), np.zeros((0, 3, 4, 4), np.float32))[1:])


@pytest.mark.parametrize(
    "op, shape",
    [
        (Pooling(kernel=(2, 2), pool_type="lp", p_value=2), (1, 1, 4, 4)),
        (Pooling(kernel=(2,)), (1, 1, 4)),
        (Pooling(kernel=(2, 2, 2)), (1, 1, 4, 4, 4)),
        (Pooling(kernel=(2, 2), layout="NHWC"), (1, 4, 4, 1)),
    ],
)
def test_what_is_left_to_the_plain_version(bench, op, shape):
    assert bench.make(pool_kernel, op, shape, op.infer_shape([shape], [None])[1][0]) is None
