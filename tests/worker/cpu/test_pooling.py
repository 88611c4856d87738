"""Compiled pooling against the plain operator: the same bits, ties and NaN included."""

import numpy as np
import pytest

from pushgrad.worker.cpu.convolution_direct import DirectKernel
from pushgrad.worker.cpu.plane_sums import PlaneSumKernel
from pushgrad.worker.cpu.pooling import PoolKernel
from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.cpu.whole_plane_maximum import WholePlaneMaximumKernel
from pushgrad.worker.ops.convolution import Convolution
from pushgrad.worker.ops.operator import Step
from pushgrad.worker.ops.pooling import Pooling


def both(op, data, seed=0):
    """Output and data gradient, as kernel and plain operator write them over NaN."""
    shape = op.infer_shape([data.shape], [None])[1][0]
    grad = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    fast = kernel_for([op], [data.shape], [shape], np.float32)
    found = []
    for worker in (fast, op):
        out, in_grad = np.full(shape, np.nan, np.float32), np.full_like(data, np.nan)
        worker.forward(Step(is_train=True), [data], [out])
        worker.backward(Step(is_train=True), [grad], [data], [out], [in_grad])
        found.append((out, in_grad))
    return fast, *found


def random_options(rng):
    kernel = tuple(int(k) for k in rng.integers(1, 5, 2))
    convention = str(rng.choice(["valid", "full", "same"]))
    pad = (0, 0) if convention == "same" else tuple(int(rng.integers(0, k)) for k in kernel)
    stride = tuple(int(rng.integers(1, max(2, k + p + 1))) for k, p in zip(kernel, pad, strict=True))
    return {"kernel": kernel, "stride": stride, "pad": pad, "pooling_convention": convention}


@pytest.mark.parametrize("kind", ["max", "avg", "sum"])
def test_random_windows(kind):
    rng = np.random.default_rng(len(kind))
    tried = 0
    while tried < 60:
        options = random_options(rng)
        op = Pooling(pool_type=kind, count_include_pad=bool(rng.integers(2)), **options)
        data = rng.integers(-3, 3, (2, 3, *rng.integers(4, 13, 2))).astype(np.float32)  # many ties
        try:
            op.infer_shape([data.shape], [None])
        except ValueError:
            continue  # a window that lies outside
        tried += 1
        fast, got, want = both(op, data, tried)
        assert isinstance(fast, PoolKernel | PlaneSumKernel | WholePlaneMaximumKernel)
        np.testing.assert_array_equal(got[0], want[0], err_msg=str(options))
        np.testing.assert_array_equal(got[1], want[1], err_msg=str(options))


def test_a_plane_longer_than_one_block():
    op = Pooling(kernel=(3, 3), stride=(1, 1), pad=(1, 1))
    _, got, want = both(op, np.random.default_rng(1).standard_normal((1, 2, 61, 70)).astype(np.float32))
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1], want[1])


@pytest.mark.parametrize("options", [{"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)}, {"global_pool": True}])
def test_nan_comes_through(options):
    data = np.random.default_rng(2).integers(0, 3, (2, 2, 7, 7)).astype(np.float32)
    data[0, 0, 2, 3] = data[0, 0, 3, 3] = data[1, 1, 0, 0] = np.nan
    _, got, want = both(Pooling(**options), data)
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1], want[1])


@pytest.mark.parametrize("channels", [2, 17])  # the convolution's products lie by filter, or by pixel
@pytest.mark.parametrize("window", [(2, 2), (3, 2), (1, 3)])
def test_nan_comes_through_behind_a_convolution(channels, window):
    """In every place of a window, beside larger numbers, and twice in one window."""
    chain = [Convolution(kernel=(1, 1), num_filter=8), Pooling(kernel=window, stride=window)]
    rng = np.random.default_rng(channels)
    data = rng.standard_normal((3, channels, 12, 12)).astype(np.float32)
    data[:, 0][rng.random((3, 12, 12)) < 0.2] = np.nan
    inputs = [data, *(rng.standard_normal(shape).astype(np.float32) for shape in ((8, channels, 1, 1), (8,)))]
    shapes, (plane,) = chain[0].infer_shape([data.shape, None, None], [None])
    (out_shape,) = chain[1].infer_shape([plane], [None])[1]
    fast = kernel_for(chain, shapes, [out_shape], np.float32)
    assert isinstance(fast, DirectKernel)
    step, grad = Step(is_train=True), rng.standard_normal(out_shape).astype(np.float32)
    out, in_grad = np.full(out_shape, np.nan, np.float32), np.full_like(data, np.nan)
    fast.forward(step, inputs, [out])
    fast.backward(step, [grad], inputs, [out], [in_grad, None, None])
    between, between_grad = np.empty(plane, np.float32), np.empty(plane, np.float32)
    want, want_grad = np.empty_like(out), np.empty_like(data)
    chain[0].forward(step, inputs, [between])
    chain[1].forward(step, [between], [want])
    chain[1].backward(step, [grad], [between], [want], [between_grad])
    chain[0].backward(step, [between_grad], inputs, [between], [want_grad, None, None])
    assert np.isnan(want).any() and not np.isnan(want).all()
    np.testing.assert_allclose(out, want, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(in_grad, want_grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["max", "avg", "sum"])
@pytest.mark.parametrize("options", [{"global_pool": True}, {"kernel": (5, 7)}])
@pytest.mark.parametrize("ties", [False, True])
def test_one_window_over_the_plane(kind, options, ties):
    rng = np.random.default_rng(3)
    data = rng.integers(0, 2, (3, 4, 5, 7)) if ties else rng.standard_normal((3, 4, 5, 7))
    fast, got, want = both(Pooling(pool_type=kind, **options), data.astype(np.float32))
    assert isinstance(fast, WholePlaneMaximumKernel if kind == "max" else PlaneSumKernel)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-6)


@pytest.mark.parametrize("data", [(2, 3, 9), (2, 2, 4, 5, 3)])
def test_global_pooling_over_other_numbers_of_axes(data):
    fast, got, want = both(Pooling(pool_type="avg", global_pool=True), np.ones(data, np.float32))
    assert isinstance(fast, PlaneSumKernel)
    np.testing.assert_allclose(got[0], want[0])
    np.testing.assert_allclose(got[1], want[1])


@pytest.mark.parametrize("options", [{"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)}, {"kernel": (2, 5)}])
def test_without_gradients_maxima_are_the_same_and_no_taps_are_kept(options):
    op, data = Pooling(**options), np.random.default_rng(4).standard_normal((2, 3, 9, 40)).astype(np.float32)
    data[0, 1, 4, 7] = np.nan
    shape = op.infer_shape([data.shape], [None])[1][0]
    fast = kernel_for([op], [data.shape], [shape], np.float32)
    got, want = np.empty(shape, np.float32), np.empty(shape, np.float32)
    fast.forward(Step(learns=False), [data], [got])
    op.forward(Step(), [data], [want])
    np.testing.assert_array_equal(got, want)
    assert fast.winner is None
