"""Compiled kernels against the plain operators over random shapes and options."""

import itertools

import numpy as np
import pytest

from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.ops.activation import Activation
from pushgrad.worker.ops.convolution import Convolution
from pushgrad.worker.ops.dropout import Dropout
from pushgrad.worker.ops.operator import Step
from pushgrad.worker.ops.pooling import Pooling
from pushgrad.worker.ops.softmax_output import SoftmaxOutput

ACTIVATIONS = ("relu", "sigmoid", "tanh", "softrelu", "softsign")


def compute(worker, step, inputs, outputs, out_grad):
    """Output and input gradients that `worker` (a kernel or an operator) writes."""
    out = [np.full(shape, np.nan, inputs[0].dtype) for shape in outputs]
    worker.forward(step, inputs, out)
    in_grads = [np.full_like(array, np.nan) for array in inputs]
    worker.backward(step, [out_grad], inputs, out, in_grads)
    return out[0], in_grads


def chained(ops, step, inputs, out_grad):
    """The same for a chain of plain operators in float64."""
    stages, current = [], [array.astype(np.float64) for array in inputs]
    for op in ops:
        shape = op.infer_shape([array.shape for array in current], [None])[1][0]
        out = np.empty(shape)
        op.forward(step, current, [out])
        stages.append((op, current, out))
        current = [out]
    grad = out_grad.astype(np.float64)
    for op, given, out in reversed(stages):
        in_grads = [np.empty_like(array) for array in given]
        op.backward(step, [grad], given, [out], in_grads)
        grad = in_grads[0]
    return stages[-1][2], in_grads


GEOMETRY = [
    # channels, extent, kernel, stride, pad, dilate
    (1, (12, 12), (5, 5), (1, 1), (0, 0), (1, 1)),
    (1, (9, 11), (3, 2), (2, 1), (1, 2), (1, 1)),
    (2, (10, 10), (3, 3), (1, 1), (1, 1), (2, 2)),
    (7, (8, 9), (3, 3), (1, 1), (0, 0), (1, 1)),
    (8, (9, 8), (3, 3), (2, 2), (1, 1), (1, 1)),
    (16, (7, 7), (1, 1), (1, 1), (0, 0), (1, 1)),
    (6, (11, 9), (3, 3), (1, 2), (2, 1), (2, 2)),
]


@pytest.mark.parametrize(("channels", "extent", "kernel", "stride", "pad", "dilate"), GEOMETRY)
@pytest.mark.parametrize("tail", ["", "act", "pool", "act+pool", "pool+act"])
def test_convolution_and_what_is_fused_with_it(channels, extent, kernel, stride, pad, dilate, tail):
    rng = np.random.default_rng(sum(extent) + channels)
    conv = Convolution(kernel=kernel, num_filter=5, stride=stride, pad=pad, dilate=dilate)
    parts = {"act": Activation(act_type="tanh"), "pool": Pooling(kernel=(2, 2), stride=(2, 2), pool_type="max")}
    ops = [conv, *(parts[name] for name in tail.split("+") if name)]
    inputs = [
        rng.standard_normal(shape, np.float32) for shape in ((6, channels, *extent), (5, channels, *kernel), (5,))
    ]
    shape = (6, channels, *extent)
    for index, op in enumerate(ops):
        shape = op.infer_shape([shape, inputs[1].shape, (5,)] if index == 0 else [shape], [None])[1][0]
    out_grad = rng.standard_normal(shape, np.float32)
    fast = kernel_for(ops, [a.shape for a in inputs], [shape], np.float32)
    assert fast is not conv
    found = compute(fast, Step(is_train=True), inputs, [shape], out_grad)
    expected = chained(ops, Step(is_train=True), inputs, out_grad)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-4)
    for got, want in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)


def test_convolution_without_bias_and_without_the_gradient_of_its_data():
    rng = np.random.default_rng(0)
    op = Convolution(kernel=(3, 3), num_filter=4, no_bias=True)
    inputs = [rng.standard_normal(shape, np.float32) for shape in ((3, 6, 8, 8), (4, 6, 3, 3))]
    out, grad = np.empty((3, 4, 6, 6), np.float32), rng.standard_normal((3, 4, 6, 6), np.float32)
    fast = kernel_for([op], [a.shape for a in inputs], [out.shape], np.float32)
    fast.forward(Step(), inputs, [out])
    weight_grad, plain = np.empty_like(inputs[1]), np.empty_like(inputs[1])
    fast.backward(Step(), [grad], inputs, [out], [None, weight_grad])
    op.backward(Step(), [grad], inputs, [out], [None, plain])
    np.testing.assert_allclose(weight_grad, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("act_type", ACTIVATIONS)
def test_activation(act_type):
    rng = np.random.default_rng(1)
    op, data = Activation(act_type=act_type), rng.uniform(-4, 4, (5, 7)).astype(np.float32)
    grad = rng.standard_normal((5, 7), np.float32)
    fast = kernel_for([op], [data.shape], [data.shape], np.float32)
    found = compute(fast, Step(), [data], [data.shape], grad)
    expected = chained([op], Step(), [data], grad)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1][0], expected[1][0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("act_type", ACTIVATIONS)
def test_activation_of_nan_and_infinity(act_type):
    ends = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1.5, -1.5, 1e30, -1e30, 20, -20], np.float32)
    data, grad = np.repeat(ends, ends.size), np.tile(ends, ends.size)
    op = Activation(act_type=act_type)
    found = compute(kernel_for([op], [data.shape], [data.shape], np.float32), Step(), [data], [data.shape], grad)
    with np.errstate(invalid="ignore"):  # 0 * inf, and logaddexp of NaN
        expected = compute(op, Step(), [data], [data.shape], grad)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(found[1][0], expected[1][0], rtol=1e-4, atol=1e-7)
    # NaN on either side comes out as NaN, whatever the other is.
    assert np.isnan(found[1][0][np.isnan(data) | np.isnan(grad)]).all()
    assert np.isnan(found[0]).sum() == ends.size


@pytest.mark.parametrize("window", [(2, 2), (3, 2)])
def test_pooling_gives_ties_to_the_first(window):
    op = Pooling(kernel=window, stride=window, pool_type="max")
    data = np.random.default_rng(2).integers(0, 3, (2, 3, 7, 9)).astype(np.float32)
    shape = op.infer_shape([data.shape], [None])[1][0]
    grad = np.random.default_rng(3).standard_normal(shape, np.float32)
    fast = kernel_for([op], [data.shape], [shape], np.float32)
    assert fast is not op
    found, expected = compute(fast, Step(), [data], [shape], grad), compute(op, Step(), [data], [shape], grad)
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1][0], expected[1][0])


@pytest.mark.parametrize(("shape", "preserve_shape"), [((6, 4), False), ((2, 3, 4), True), ((6, 2, 2), False)])
@pytest.mark.parametrize(
    "options",
    [{}, {"grad_scale": 2.5}, {"use_ignore": True, "ignore_label": 1}, {"normalization": "batch"}],
    ids=str,
)
def test_softmax_output(options, shape, preserve_shape):
    op, rng = SoftmaxOutput(preserve_shape=preserve_shape, **options), np.random.default_rng(4)
    labels = rng.integers(0, 4, op.label_shape(shape)).astype(np.float32)
    inputs = [rng.standard_normal(shape, np.float32), labels]
    step, nothing = Step(count=6.0), np.zeros(shape, np.float32)
    fast = kernel_for([op], [a.shape for a in inputs], [shape], np.float32)
    assert fast is not op
    out, want = np.empty(shape, np.float32), np.empty(shape, np.float32)
    fast.forward(step, inputs, [out])
    op.forward(step, inputs, [want])
    np.testing.assert_allclose(out, want, rtol=1e-6)
    grad, plain = np.empty_like(out), np.empty_like(out)
    fast.backward(step, [nothing], inputs, [out], [grad, None])
    op.backward(step, [nothing], inputs, [out], [plain, None])
    np.testing.assert_allclose(grad, plain, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("first_row", "p"), list(itertools.product((0, 1, 6), (0.1, 0.5))))
def test_dropout_masks_are_the_same_bits(first_row, p):
    op, data = Dropout(p=p), np.random.default_rng(5).standard_normal((7, 5), np.float32)
    step = Step(is_train=True, seed=3, fit=1, number=12, node=99, first_row=first_row)
    fast = kernel_for([op], [data.shape], [data.shape], np.float32)
    found, expected = compute(fast, step, [data], [data.shape], data), compute(op, step, [data], [data.shape], data)
    assert np.array_equal(found[0] == 0, expected[0] == 0)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(found[1][0], expected[1][0], rtol=1e-6)
