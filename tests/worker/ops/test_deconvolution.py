import numpy as np
import pytest

from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.cpu.deconvolution import DeconvolutionKernel
from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.cpu.winograd import WinogradKernel
from pushgrad.worker.ops.deconvolution import Deconvolution
from pushgrad.worker.ops.operator import Step

CASES = [
    {"kernel": (3, 2)},
    {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "adj": (1, 0)},
    {"kernel": (4, 4), "stride": (2, 2), "pad": (1, 1), "num_group": 4},
    {"kernel": (2, 2), "dilate": (2, 3), "no_bias": False},
    {"kernel": (3, 3), "stride": (2, 3), "target_shape": (6, 11), "no_bias": False},
    {"kernel": (1, 1), "stride": (2, 2), "num_group": 2, "no_bias": False},
    {"kernel": (2, 3), "stride": (3, 2), "adj": (2, 1)},
]


def arrays(op, data, dtype=np.float64):
    random = np.random.default_rng(0)
    shapes, _ = op.infer_shape([data] + [None] * (len(op.arguments()) - 1), [None])
    return [random.normal(size=shape).astype(dtype) for shape in shapes]


def scattered(op, data, weight, bias=None):
    """The definition: every number of data adds its filters to the output, from which the border is cut."""
    (out_shape,) = op.infer_shape([data.shape, weight.shape, None][: len(op.arguments())], [None])[1]
    (pad, _), windows = op.border(data.shape[2:]), op._windows()
    whole = np.zeros((*out_shape[:2], *(n + 2 * p + 9 for n, p in zip(out_shape[2:], pad, strict=True))))
    group_in, group_out = data.shape[1] // op.num_group, weight.shape[1]
    for n, c, *place in np.ndindex(data.shape):
        for f, *tap in np.ndindex(weight.shape[1:]):
            pixel = [o * s + t * d for o, s, t, d in zip(place, windows.stride, tap, windows.dilate, strict=True)]
            whole[(n, c // group_in * group_out + f, *pixel)] += data[(n, c, *place)] * weight[(c, f, *tap)]
    cut = tuple(slice(p, p + n) for p, n in zip(pad, out_shape[2:], strict=True))
    out = whole[(..., *cut)]
    return out if bias is None else out + bias.reshape(-1, *(1,) * len(pad))


@pytest.mark.parametrize("options", CASES, ids=str)
def test_definition_and_gradients(options, forward, gradcheck):
    op = Deconvolution(num_filter=4, **options)
    inputs = arrays(op, (2, 4, 3, 4))
    np.testing.assert_allclose(forward(op, inputs)[0], scattered(op, *inputs), rtol=1e-12, atol=1e-12)
    gradcheck(op, inputs)


@pytest.mark.parametrize("data", [(2, 2, 5), (1, 2, 2, 3, 2)])
def test_other_numbers_of_axes(data, forward, gradcheck):
    axes = len(data) - 2
    op = Deconvolution(kernel=(3,) * axes, stride=(2,) * axes, pad=(1,) * axes, num_filter=2)
    inputs = arrays(op, data)
    np.testing.assert_allclose(forward(op, inputs)[0], scattered(op, *inputs), rtol=1e-12, atol=1e-12)
    gradcheck(op, inputs)


@pytest.mark.parametrize("options", CASES, ids=str)
def test_compiled(options):
    op = Deconvolution(num_filter=4, **options)
    inputs = arrays(op, (3, 4, 5, 6), np.float32)
    shapes = [array.shape for array in inputs]
    (out_shape,) = op.infer_shape(shapes, [None])[1]
    fast = kernel_for([op], shapes, [out_shape], np.float32)
    assert isinstance(fast, DeconvolutionKernel)
    grad = np.random.default_rng(1).standard_normal(out_shape).astype(np.float32)
    found = []
    for worker in (fast, op):
        out, in_grads = np.full(out_shape, np.nan, np.float32), [np.full_like(array, np.nan) for array in inputs]
        worker.forward(Step(is_train=True), inputs, [out])
        worker.backward(Step(is_train=True), [grad], inputs, [out], in_grads)
        found.append([out, *in_grads])
    for got, want in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("extents", [(8, 8), (24, 25)])  # tiles of 2x2 and of 4x4
@pytest.mark.parametrize("no_bias", [True, False])
def test_compiled_by_winograd(extents, no_bias):
    op = Deconvolution(kernel=(3, 3), pad=(1, 1), num_filter=9, no_bias=no_bias)
    inputs = arrays(op, (8, 8, *extents), np.float32)
    shapes = [array.shape for array in inputs]
    (out_shape,) = op.infer_shape(shapes, [None])[1]
    fast = kernel_for([op], shapes, [out_shape], np.float32)
    assert isinstance(fast.convolution, WinogradKernel)
    grad = np.random.default_rng(1).standard_normal(out_shape).astype(np.float32)
    for _ in range(2):
        found = []
        for worker in (fast, op):
            out, in_grads = np.full(out_shape, np.nan, np.float32), [np.full_like(array, np.nan) for array in inputs]
            worker.forward(Step(is_train=True), inputs, [out])
            worker.backward(Step(is_train=True), [grad], inputs, [out], in_grads)
            found.append([out, *in_grads])
        for got, want in zip(*found, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)
        inputs[1] *= np.float32(-0.5)  # as an update does: the next forward must see it


# As MXNet 1.9.1 infers them.
@pytest.mark.parametrize(
    ("options", "out"),
    [
        ({"stride": (2, 2), "pad": (1, 1), "adj": (1, 1)}, (10, 10)),
        ({"stride": (2, 2), "target_shape": (10, 11)}, (10, 11)),
        ({"stride": (2, 2), "pad": (1, 1), "target_shape": (8, 7)}, (8, 7)),
    ],
)
def test_shapes(options, out):
    op = Deconvolution(kernel=(3, 3), num_filter=4, no_bias=False, **options)
    expected = [(1, 2, 5, 5), (2, 4, 3, 3), (4,)], [(1, 4, *out)]
    assert op.infer_shape([(1, 2, 5, 5), None, None], [None]) == expected
    assert op.infer_shape([(0, 0, 5, 5), (2, 0, 0, 0), None], [(1, 0, 0, 0)]) == expected


def test_extents_from_the_output():
    op = Deconvolution(kernel=(3, 3), stride=(2, 2), pad=(1, 1), adj=(1, 1), num_filter=4)
    assert op.infer_shape([(0, 2, 0, 0), None], [(1, 4, 10, 10)])[0][0] == (1, 2, 5, 5)
    assert op.infer_shape([None, None], [None]) == ([(0, 0, 0, 0), (0, 4, 3, 3)], [(0, 4, 0, 0)])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"stride": (2, 2), "adj": (2, 0)}, r"parameter adj: expected less than stride \(2, 2\)"),
        ({"adj": (0,)}, "parameter adj: expected 2 numbers"),
        ({"target_shape": (4, 4, 4)}, "parameter target_shape: expected 2 numbers"),
        ({"num_group": 3}, "parameter num_filter: expected a multiple of num_group 3"),
        ({"layout": "NHWC"}, "parameter layout"),
        ({"stride": (1,)}, "parameter stride: expected 2 numbers"),
    ],
)
def test_wrong_parameters(options, text):
    with pytest.raises(ParameterError, match=f"Deconvolution: {text}"):
        Deconvolution(kernel=(3, 3), num_filter=4, **options)


@pytest.mark.parametrize(
    ("options", "shapes", "text"),
    [
        ({}, [(1, 2, 5), None], "Deconvolution: data"),
        ({"num_group": 2}, [(1, 3, 5, 5), None], "divisible by num_group 2"),
        ({}, [(1, 2, 5, 5), (3, 4, 3, 3)], "Deconvolution: (data|weight)"),
        ({"target_shape": (8, 7)}, [(1, 2, 5, 5), None], "target_shape .* expected at most"),
        ({"target_shape": (6, 7)}, [(1, 2, 5, 5), None], "target_shape .* even number"),
        ({"pad": (3, 3)}, [(1, 2, 2, 2), None], "leaves no output"),
    ],
)
def test_wrong_shapes(options, shapes, text):
    with pytest.raises(ShapeError, match=text):
        Deconvolution(kernel=(3, 3), num_filter=4, **options).infer_shape(shapes, [None])
