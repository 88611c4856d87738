import numpy as np
import pytest

from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.convolution import Convolution

CASES = [
    {"kernel": (3, 2)},
    {"kernel": (3, 3), "stride": (2, 1), "pad": (1, 2)},
    {"kernel": (2, 2), "dilate": (2, 3)},
    {"kernel": (1, 1), "stride": (2, 2), "no_bias": True},
    {"kernel": (3, 2), "stride": (1, 2), "pad": (2, 0), "dilate": (1, 2), "num_group": 2},
    {"kernel": (2, 3), "num_group": 4, "no_bias": True},
]


def arrays(op, data_shape, dtype=np.float64):
    random = np.random.default_rng(0)
    shapes, _ = op.infer_shape([data_shape] + [None] * (len(op.arguments()) - 1), [None])
    return [random.normal(size=shape).astype(dtype) for shape in shapes]


def naive(op, data, weight, bias=None):
    """The definition, one output number at a time."""
    (_, out_shape) = op.infer_shape([data.shape, weight.shape, None][: len(op.arguments())], [None])
    out, windows = np.zeros(out_shape[0]), op.windows()
    padded = np.pad(data, [(0, 0), (0, 0), *((p, p) for p in windows.pad)])
    group_in, group_out = weight.shape[1], op.num_filter // op.num_group
    for n, f, *place in np.ndindex(out.shape):
        channels = range(f // group_out * group_in, (f // group_out + 1) * group_in)
        total = 0.0 if bias is None else bias[f]
        for c, *tap in np.ndindex(weight.shape[1:]):
            pixel = [o * s + t * d for o, t, s, d in zip(place, tap, windows.stride, windows.dilate, strict=True)]
            total += weight[(f, c, *tap)] * padded[(n, channels[c], *pixel)]
        out[(n, f, *place)] = total
    return out


@pytest.mark.parametrize("options", CASES)
def test_definition_and_gradients(options, forward, gradcheck):
    op = Convolution(num_filter=4, **options)
    inputs = arrays(op, (2, 4, 6, 7))
    np.testing.assert_allclose(forward(op, inputs)[0], naive(op, *inputs), rtol=1e-12, atol=1e-12)
    gradcheck(op, inputs)


@pytest.mark.parametrize("data", [(2, 2, 9), (1, 2, 4, 4, 4)])
def test_other_numbers_of_axes(data, forward, gradcheck):
    axes = len(data) - 2
    op = Convolution(kernel=(3,) * axes, stride=(2,) * axes, pad=(1,) * axes, num_filter=2)
    inputs = arrays(op, data)
    np.testing.assert_allclose(forward(op, inputs)[0], naive(op, *inputs), rtol=1e-12, atol=1e-12)
    gradcheck(op, inputs)


def test_stays_in_float32(forward, backward):
    op = Convolution(kernel=(3, 3), num_filter=2)
    inputs = arrays(op, (2, 3, 5, 5), np.float32)
    out = forward(op, inputs)
    grads = backward(op, inputs, out, [np.ones_like(out[0])])
    assert {array.dtype for array in (*out, *grads)} == {np.dtype(np.float32)}


def test_shapes():
    op = Convolution(kernel=(5, 5), stride=(2, 2), pad=(1, 1), num_filter=8, num_group=2)
    shapes, out = op.infer_shape([(100, 4, 28, 28), None, None], [None])
    assert shapes == [(100, 4, 28, 28), (8, 2, 5, 5), (8,)]
    assert out == [(100, 8, 13, 13)]


def test_shapes_from_the_output_where_the_stride_is_one():
    op = Convolution(kernel=(3, 3), num_filter=2)
    shapes, _ = op.infer_shape([(0, 3, 0, 0), None, None], [(5, 2, 4, 4)])
    assert shapes[0] == (5, 3, 6, 6)
    strided = Convolution(kernel=(3, 3), stride=(2, 2), num_filter=2)
    assert strided.infer_shape([(0, 3, 0, 0), None, None], [(5, 2, 4, 4)])[0][0] == (5, 3, 0, 0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kernel": (3, 3), "stride": (2,)}, "parameter stride: expected 2 numbers"),
        ({"kernel": (3, 3), "num_group": 3}, "parameter num_filter: expected a multiple of num_group 3, got 4"),
        ({"kernel": (3, 0)}, "parameter kernel: expected a tuple of whole numbers of at least 1"),
        ({"kernel": (3, 3), "layout": "NHWC"}, "parameter layout"),
        ({"kernel": (1, 1, 1, 1)}, "parameter kernel: expected 1 to 3 numbers"),
        ({"kernel": (3, 3), "strides": (1, 1)}, "no parameter strides. Did you mean stride?"),
        ({}, "missing parameter kernel"),
    ],
)
def test_wrong_parameters(options, text):
    with pytest.raises(ParameterError, match="Convolution: ") as caught:
        Convolution(num_filter=4, **options)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("data", "weight"),
    [((2, 3, 8), None), ((2, 3, 2, 8), None), ((2, 5, 8, 8), None), ((2, 4, 8, 8), (4, 4, 3, 3))],
)
def test_wrong_shapes(data, weight):
    with pytest.raises(ShapeError, match=r"Convolution: (data|weight)"):
        Convolution(kernel=(3, 3), num_filter=4, num_group=2).infer_shape([data, weight, None], [None])
