import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.cpu.deconvolution import DeconvolutionKernel
from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.ops.operator import Step
from pushgrad.worker.ops.upsampling import UpSampling


def normal(*shapes):
    random = np.random.default_rng(0)
    return [random.normal(size=shape) for shape in shapes]


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_nearest_of_one(scale, forward, gradcheck):
    op, inputs = UpSampling(scale=scale, sample_type="nearest"), normal((2, 3, 2, 4))
    assert np.array_equal(forward(op, inputs)[0], inputs[0].repeat(scale, 2).repeat(scale, 3))
    gradcheck(op, inputs)


@pytest.mark.parametrize("mode", ["concat", "sum"])
def test_nearest_of_several(mode, forward, gradcheck):
    op = UpSampling(scale=2, sample_type="nearest", num_args=3, multi_input_mode=mode)
    inputs = normal((2, 2, 2, 4), (2, 2, 4, 4), (2, 2, 1, 8))
    repeats = [(2, 2), (1, 2), (4, 1)]
    pieces = [data.repeat(high, 2).repeat(wide, 3) for data, (high, wide) in zip(inputs, repeats, strict=True)]
    expected = np.concatenate(pieces, axis=1) if mode == "concat" else sum(pieces)
    np.testing.assert_allclose(forward(op, inputs)[0], expected)
    gradcheck(op, inputs)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_bilinear(scale, gradcheck, forward):
    op = UpSampling(scale=scale, sample_type="bilinear", num_filter=2)
    extent = 2 * scale - scale % 2
    gradcheck(op, normal((1, 2, 3, 2), (2, 1, extent, extent)))
    centre = (extent - 1) / 2
    tent = 1 - abs(np.arange(extent) - centre) / scale
    weight = np.broadcast_to(np.outer(tent, tent), (1, 1, extent, extent))
    flat = forward(UpSampling(scale=scale, sample_type="bilinear"), [np.ones((1, 1, 5, 5)), weight])[0]
    assert np.allclose(flat[:, :, scale:-scale, scale:-scale], 1)  # interpolation of a constant


def test_bilinear_compiled():
    op = UpSampling(scale=2, sample_type="bilinear", num_filter=3)
    data, weight = (array.astype(np.float32) for array in normal((2, 3, 5, 6), (3, 1, 4, 4)))
    fast = kernel_for([op], [data.shape, weight.shape], [(2, 3, 10, 12)], np.float32)
    assert isinstance(fast, DeconvolutionKernel)
    outs = [np.full((2, 3, 10, 12), np.nan, np.float32) for _ in range(2)]
    fast.forward(Step(), [data, weight], [outs[0]])
    op.forward(Step(), [data, weight], [outs[1]])
    np.testing.assert_allclose(*outs, rtol=1e-5, atol=1e-6)


def test_shapes_both_ways():
    pair = UpSampling(scale=2, sample_type="nearest", num_args=2)
    expected = [(5, 2, 4, 3), (5, 3, 8, 1)], [(5, 5, 8, 6)]
    assert pair.infer_shape([(5, 2, 4, 3), (0, 3, 8, 1)], [None]) == expected
    assert pair.infer_shape([(0, 2, 0, 0), (0, 3, 8, 1)], [(5, 0, 8, 6)]) == expected
    added = UpSampling(scale=2, sample_type="nearest", num_args=2, multi_input_mode="sum")
    assert added.infer_shape([(5, 2, 4, 3), (0, 0, 8, 1)], [None])[0][1] == (5, 2, 8, 1)
    smooth = UpSampling(scale=3, sample_type="bilinear", num_filter=2)
    assert smooth.infer_shape([(5, 0, 4, 3), None], [None]) == ([(5, 2, 4, 3), (2, 1, 5, 5)], [(5, 2, 12, 9)])
    assert smooth.infer_shape([None, None], [(5, 0, 12, 9)])[0][0] == (5, 2, 4, 3)


def test_names_are_those_of_mxnet():
    one, two = mx.sym.Variable("a"), mx.sym.Variable("b")
    net = mx.sym.UpSampling(one, two, scale=2, sample_type="nearest", name="u")
    assert net.list_arguments() == ["a", "b"]
    smooth = mx.sym.UpSampling(one, scale=2, sample_type="bilinear", num_filter=3, name="u")
    assert smooth.list_arguments() == ["a", "u_weight"]
    again = mx.sym.load_json(smooth.tojson())
    assert again.infer_shape(a=(1, 3, 4, 4))[0][1] == (3, 1, 4, 4)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "missing parameter scale, sample_type"),
        ({"scale": 0, "sample_type": "nearest"}, "parameter scale: expected a whole number of at least 1"),
        ({"scale": 2, "sample_type": "cubic"}, "parameter sample_type: expected one of nearest, bilinear"),
        ({"scale": 2, "sample_type": "nearest", "multi_input_mode": "mean"}, "parameter multi_input_mode"),
    ],
)
def test_wrong_parameters(options, text):
    with pytest.raises(ParameterError, match=f"UpSampling: {text}"):
        UpSampling(**options)


@pytest.mark.parametrize(
    ("options", "shapes", "text"),
    [
        ({}, [(1, 2, 4, 4), (1, 2, 3, 4)], "UpSampling: arg1: expected extents that divide"),
        ({}, [(1, 2, 4), None], "UpSampling: arg0"),
        ({}, [(1, 2, 4, 4), (2, 2, 4, 4)], "UpSampling: (arg0|arg1|output)"),
        ({"multi_input_mode": "sum"}, [(1, 2, 4, 4), (1, 3, 4, 4)], "UpSampling: (arg0|arg1)"),
        ({"sample_type": "bilinear", "num_filter": 2}, [(1, 3, 4, 4), None], "UpSampling: data"),
        ({"sample_type": "bilinear"}, [(1, 3, 4, 4), (3, 1, 3, 3)], "UpSampling: weight"),
    ],
)
def test_wrong_shapes(options, shapes, text):
    op = UpSampling(**{"scale": 2, "sample_type": "nearest", "num_args": 2, **options})
    with pytest.raises(ShapeError, match=text):
        op.infer_shape(shapes, [None])


def test_an_output_that_no_plane_fits():
    with pytest.raises(ShapeError, match="divisible by scale 2"):
        UpSampling(scale=2, sample_type="nearest").infer_shape([None], [(1, 2, 7, 8)])
