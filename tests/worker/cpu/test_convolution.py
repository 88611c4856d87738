"""Compiled convolutions against the plain operator over random shapes and options."""

import numpy as np
import pytest

from pushgrad.common.call_table import Table
from pushgrad.worker.cpu import convolution_geometry
from pushgrad.worker.cpu.clipping import ClippedKernel
from pushgrad.worker.cpu.convolution_direct import DirectKernel
from pushgrad.worker.cpu.convolution_pointwise import PointwiseKernel
from pushgrad.worker.cpu.convolution_pooled import PooledConvolutionKernel
from pushgrad.worker.cpu.depthwise import DepthwiseKernel
from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.ops.activation import Activation
from pushgrad.worker.ops.clip import Clip
from pushgrad.worker.ops.convolution import Convolution
from pushgrad.worker.ops.operator import Step
from pushgrad.worker.ops.pooling import Pooling


def random_options(rng, kernel):
    pad, stride, dilate = ((int(rng.integers(low, high)), int(rng.integers(low, high))) for low, high in RANGES)
    return {"kernel": kernel, "pad": pad, "stride": stride, "dilate": dilate, "no_bias": bool(rng.integers(2))}


RANGES = ((0, 3), (1, 4), (1, 3))  # of pad, stride, dilate


def plain(chain, inputs, out_grad):
    """Output and gradients of the plain operators in float64."""
    stages, current = [], [array.astype(np.float64) for array in inputs]
    for op in chain:
        out = np.empty(op.infer_shape([array.shape for array in current], [None])[1][0])
        op.forward(Step(is_train=True), current, [out])
        stages.append((op, current, out))
        current = [out]
    grad = out_grad.astype(np.float64)
    for op, given, out in reversed(stages):
        in_grads = [np.empty_like(array) for array in given]
        op.backward(Step(is_train=True), [grad], given, [out], in_grads)
        grad = in_grads[0]
    return current[0], in_grads


def agree(chain, data, kind, seed=0):
    """The kernel of `chain` is a `kind` and computes what the plain operators do, each gradient alone or together."""
    rng = np.random.default_rng(seed)
    shapes, (out_shape,) = chain[0].infer_shape([data] + [None] * (len(chain[0].arguments()) - 1), [None])
    for op in chain[1:]:
        (out_shape,) = op.infer_shape([out_shape], [None])[1]
    inputs = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    grad = rng.standard_normal(out_shape).astype(np.float32)
    fast = kernel_for(chain, shapes, [out_shape], np.float32)
    assert isinstance(fast, kind)
    want_out, want_grads = plain(chain, inputs, grad)
    for asked in [range(len(inputs)), *([i] for i in range(len(inputs)))]:
        out = np.full(out_shape, np.nan, np.float32)
        fast.forward(Step(is_train=True), inputs, [out])
        np.testing.assert_allclose(out, want_out, rtol=1e-4, atol=1e-4, err_msg=str(chain[0].attrs()))
        found = [np.full_like(array, np.nan) if i in asked else None for i, array in enumerate(inputs)]
        fast.backward(Step(is_train=True), [grad], inputs, [out], found)
        for i in asked:
            np.testing.assert_allclose(found[i], want_grads[i], rtol=1e-3, atol=1e-3, err_msg=str(chain[0].attrs()))


@pytest.mark.parametrize("seed", range(30))
def test_depthwise(seed):
    rng = np.random.default_rng(seed)
    channels = int(rng.integers(2, 5))
    options = random_options(rng, tuple(int(k) for k in rng.choice([1, 3, 5], 2)))
    op = Convolution(num_filter=channels, num_group=channels, **options)
    agree([op], (2, channels, *(int(e) for e in rng.integers(9, 14, 2))), DepthwiseKernel, seed)


@pytest.mark.parametrize(("kernel", "stride"), [((3, 3), 1), ((3, 3), 2), ((5, 5), 1), ((5, 5), 2), ((4, 3), 3)])
@pytest.mark.parametrize("extent", [(1, 7), (7, 7), (14, 14), (18, 33), (70, 67), (131, 115)])
def test_depthwise_on_planes_of_any_size(kernel, stride, extent):
    pad = (kernel[0] // 2,) * 2
    op = Convolution(kernel=kernel, stride=(stride, stride), pad=pad, num_filter=11, num_group=11)
    agree([op], (2, 11, *extent), DepthwiseKernel)


@pytest.mark.parametrize("act_type", ["relu", "tanh"])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_with_activation(act_type, stride):
    conv = Convolution(kernel=(3, 3), stride=(stride, stride), pad=(1, 1), num_filter=5, num_group=5)
    agree([conv, Activation(act_type=act_type)], (3, 5, 9, 12), DepthwiseKernel)


def depthwise(extent=(7, 9), channels=5, **options):
    """A kernel of a 3x3 convolution, its inputs, and room for its output."""
    op = Convolution(kernel=(3, 3), pad=(1, 1), num_filter=channels, num_group=channels, **options)
    shapes, (out_shape,) = op.infer_shape([(2, channels, *extent), None, None], [None])
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    return kernel_for([op], shapes, [out_shape], np.float32), inputs, np.full(out_shape, np.nan, np.float32)


def test_channels_of_a_depthwise_convolution_may_be_computed_apart():
    fast, inputs, out = depthwise()
    fast.forward(Step(), inputs, [out])
    apart = np.full_like(out, np.nan)
    Table([fast.forward_row(inputs, apart, 0, 2)]).run()
    assert np.isnan(apart[:, 2:]).all()
    Table([fast.forward_row(inputs, apart, 2, 5)]).run()
    np.testing.assert_array_equal(apart, out)


@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_depthwise_shows_what_is_not_finite_where_windows_reach_it(stride, number):
    fast, inputs, out = depthwise(stride=stride)
    inputs[0][0, 1, 3, 4] = number
    fast.forward(Step(), inputs, [out])
    reached = np.zeros(out.shape, bool)
    axes = zip(out.shape[2:], stride, (3, 4), strict=True)
    rows, columns = ([o for o in range(extent) if abs(o * step - at) <= 1] for extent, step, at in axes)
    reached[np.ix_([0], [1], rows, columns)] = True
    np.testing.assert_array_equal(~np.isfinite(out), reached)
    grads = [np.full_like(array, np.nan) for array in inputs]
    fast.backward(Step(), [np.ones_like(out)], inputs, [out], grads)
    assert np.isfinite(grads[0]).all()
    assert not np.isfinite(grads[1][1]).all() and np.isfinite(np.delete(grads[1], 1, 0)).all()


def test_a_depthwise_sum_is_one_chain_of_fused_multiply_adds():
    fast, inputs, out = depthwise(extent=(1, 1), channels=2, no_bias=True)
    inputs[1][...] = 1 + 2.0**-12
    inputs[0][...] = 1 + 2.0**-12
    fast.forward(Step(), inputs, [out])
    assert out[0, 0, 0, 0] == np.float32((1 + 2.0**-12) ** 2)


CLIPPED = [
    ({"kernel": (3, 3), "pad": (1, 1), "num_filter": 12, "num_group": 12}, DepthwiseKernel),
    ({"kernel": (3, 3), "pad": (1, 1), "num_filter": 12, "num_group": 6}, ClippedKernel),
    ({"kernel": (3, 3), "pad": (1, 1), "num_filter": 12}, ClippedKernel),
    ({"kernel": (3, 3), "stride": (2, 2), "num_filter": 12}, ClippedKernel),
    ({"kernel": (1, 1), "num_filter": 12}, ClippedKernel),
]


@pytest.mark.parametrize(("options", "kind"), CLIPPED)
def test_a_clip_behind_a_convolution_in_prediction(options, kind):
    chain = [Convolution(**options), Clip(a_min=-0.5, a_max=1.5)]
    shapes, (out_shape,) = chain[0].infer_shape([(2, 12, 9, 8), None, None], [None])
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    inputs[0][0, 0, 0, 0] = np.nan
    fast, out = kernel_for(chain, shapes, [out_shape], np.float32), np.empty(out_shape, np.float32)
    assert isinstance(fast, kind)
    fast.forward(Step(), inputs, [out])
    want, _ = plain(chain, inputs, np.zeros(out_shape))
    np.testing.assert_allclose(out, want, rtol=1e-4, atol=1e-4)
    assert np.isnan(out).any()


@pytest.mark.parametrize("seed", range(20))
def test_direct(seed):
    rng = np.random.default_rng(100 + seed)
    options = random_options(rng, tuple(int(k) for k in rng.integers(1, 5, 2)))
    options["pad"] = options["pad"] if options["kernel"] != (1, 1) else (1, 1)
    op = Convolution(num_filter=6, num_group=int(rng.choice([1, 2])), **options)
    agree([op], (5, 4, *(int(e) for e in rng.integers(8, 13, 2))), DirectKernel, seed)


@pytest.mark.parametrize("seed", range(20))
def test_direct_in_bands_and_chunks(seed, monkeypatch):
    rng = np.random.default_rng(200 + seed)
    monkeypatch.setattr(convolution_geometry, "CHUNK_FLOATS", int(rng.choice([1, 200, 2000])))
    options = random_options(rng, tuple(int(k) for k in rng.integers(2, 5, 2)))
    op = Convolution(num_filter=int(rng.integers(1, 4)) * 6, num_group=int(rng.choice([1, 2])), **options)
    agree([op], (3, int(rng.choice([4, 18])), *(int(e) for e in rng.integers(8, 13, 2))), DirectKernel, seed)


@pytest.mark.parametrize("act_type", ["relu", "tanh", "softrelu"])
def test_direct_with_activation(act_type):
    agree(
        [Convolution(kernel=(3, 3), num_filter=20, stride=(2, 2)), Activation(act_type=act_type)],
        (3, 40, 9, 12),
        DirectKernel,
    )


@pytest.mark.parametrize("channels", [300, 257, 512])  # runs of equal parts, and of a prime number of channels
def test_direct_with_long_runs(channels):
    agree([Convolution(kernel=(3, 2), num_filter=33, stride=(2, 1))], (2, channels, 7, 6), DirectKernel)


@pytest.mark.parametrize("data", [(1, 8, 20, 20), (5, 8, 7, 7), (60, 4, 4, 9), (30, 8, 4, 4)])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("act_type", [None, "relu", "tanh"])
def test_pointwise(data, groups, act_type):
    tail = [Activation(act_type=act_type)] if act_type else []
    agree([Convolution(kernel=(1, 1), num_filter=6, num_group=groups), *tail], data, PointwiseKernel)


@pytest.mark.parametrize("data", [(60, 20, 3, 5), (3, 300, 1, 1)])
@pytest.mark.parametrize("groups", [1, 2])
def test_pointwise_of_few_pixels(data, groups):
    agree([Convolution(kernel=(1, 1), num_filter=36, num_group=groups)], data, DirectKernel)


@pytest.mark.parametrize("data", [(1, 8, 21, 20), (5, 8, 7, 9), (60, 4, 5, 4)])
@pytest.mark.parametrize("stride", [(2, 2), (1, 3), (3, 2)])
def test_pointwise_with_a_stride(data, stride):
    agree([Convolution(kernel=(1, 1), stride=stride, num_filter=6)], data, DirectKernel)
    agree([Convolution(kernel=(1, 1), stride=stride, num_filter=6, num_group=2)], data, DirectKernel)


@pytest.mark.parametrize("act_type", ["relu", "tanh"])
@pytest.mark.parametrize("pool_first", [False, True])
def test_large_planes_with_pooling_and_activation(act_type, pool_first, monkeypatch):
    monkeypatch.setattr(convolution_geometry, "CHUNK_FLOATS", 250)
    tail = [Pooling(kernel=(2, 2), stride=(2, 2)), Activation(act_type=act_type)]
    chain = [Convolution(kernel=(3, 3), pad=(1, 1), num_filter=4), *(tail if pool_first else reversed(tail))]
    agree(chain, (3, 3, 9, 12), PooledConvolutionKernel)


@pytest.mark.parametrize("channels", [2, 17])
@pytest.mark.parametrize("seed", range(20))
def test_pooling_and_activation(channels, seed, monkeypatch):
    """Windows of any extent, pixels that no window covers, and chunks of one image or several."""
    rng = np.random.default_rng(300 + seed)
    monkeypatch.setattr(convolution_geometry, "CHUNK_FLOATS", int(rng.choice([15_000, 20_000])))
    options = random_options(rng, tuple(int(k) for k in rng.integers(1, 5, 2)))
    window = tuple(int(e) for e in rng.integers(1, 4, 2))
    chain = [
        Convolution(num_filter=6, **options),
        Pooling(kernel=window, stride=window),
        Activation(act_type=str(rng.choice(["relu", "tanh"]))),
    ]
    agree(chain, (5, channels, *(int(e) for e in rng.integers(15, 19, 2))), DirectKernel, seed)


def test_activation_without_pooling():
    agree([Convolution(kernel=(3, 3), num_filter=4), Activation(act_type="tanh")], (3, 3, 9, 12), DirectKernel)
