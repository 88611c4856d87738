import numpy as np
import pytest

from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.pooling import Pooling

GEOMETRIES = [
    {"kernel": (2, 2), "stride": (2, 2)},
    {"kernel": (3, 2), "stride": (2, 1), "pad": (1, 0)},
    {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "pooling_convention": "full"},
    {"kernel": (3, 3), "stride": (2, 3), "pooling_convention": "same"},
    {"global_pool": True},
]


def distinct(shape):
    """No two elements equal, so that a maximum stays where it is when an element moves a little."""
    return np.random.default_rng(3).permutation(int(np.prod(shape))).reshape(shape) / 7.0


@pytest.mark.parametrize("options", GEOMETRIES)
@pytest.mark.parametrize("kind", [{"pool_type": "max"}, {"pool_type": "sum"}, {"pool_type": "avg"}])
def test_gradients(kind, options, gradcheck):
    gradcheck(Pooling(**kind, **options), [distinct((2, 2, 6, 7))])


@pytest.mark.parametrize("options", GEOMETRIES[1:3])
def test_gradients_of_means_without_the_border(options, gradcheck):
    gradcheck(Pooling(pool_type="avg", count_include_pad=False, **options), [distinct((2, 2, 6, 7))])


@pytest.mark.parametrize("options", GEOMETRIES)
@pytest.mark.parametrize("p_value", [1, 2, 3])
def test_norms(p_value, options, gradcheck, forward):
    op, data = Pooling(pool_type="lp", p_value=p_value, **options), 0.1 + distinct((2, 2, 6, 7))
    gradcheck(op, [data / 20])
    summed = forward(Pooling(pool_type="sum", **options), [data**p_value])[0]
    np.testing.assert_allclose(forward(op, [data])[0], summed ** (1 / p_value))


def test_norms_of_negative_numbers_and_of_nothing(forward, backward):
    """Values from MXNet 1.9.1, save the gradient of 0, which is NaN there."""
    data = np.array([[[[-4.0, -3, -1, 0, 0, 0]]]])
    op = Pooling(kernel=(1, 3), stride=(1, 3), pool_type="lp", p_value=3)
    out = forward(op, [data])
    np.testing.assert_allclose(out[0].ravel(), [-(92 ** (1 / 3)), 0])
    (grad,) = backward(op, [data], out, [np.ones_like(out[0])])
    np.testing.assert_allclose(grad.ravel(), [16 / 92 ** (2 / 3), 9 / 92 ** (2 / 3), 1 / 92 ** (2 / 3), 0, 0, 0])


@pytest.mark.parametrize(("layout", "shape"), [("NHWC", (2, 6, 7, 3)), ("NWC", (2, 9, 3)), ("NDHWC", (1, 4, 5, 4, 2))])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_channels_last(layout, shape, kind, forward, gradcheck):
    axes = len(shape) - 2
    options = {"kernel": (3,) * axes, "stride": (2,) * axes, "pad": (1,) * axes, "pool_type": kind}
    op, data = Pooling(layout=layout, **options), distinct(shape)
    expected = forward(Pooling(**options), [np.moveaxis(data, -1, 1)])[0]
    assert np.array_equal(np.moveaxis(forward(op, [data])[0], -1, 1), expected)
    gradcheck(op, [data])


def test_channels_last_of_a_global_pool():
    assert Pooling(global_pool=True, layout="NHWC").infer_shape([(2, 6, 7, 3)], [None])[1] == [(2, 1, 1, 3)]
    assert Pooling(kernel=(2, 2), layout="NHWC").infer_shape([(0, 6, 7, 3)], [(2, 0, 0, 0)])[0] == [(2, 6, 7, 3)]


@pytest.mark.parametrize("data", [(2, 2, 7), (1, 1, 4, 5, 4)])
def test_other_numbers_of_axes(data, gradcheck):
    axes = len(data) - 2
    gradcheck(Pooling(kernel=(2,) * axes, stride=(2,) * axes), [distinct(data)])


# Shapes that MXNet 1.9.1 infers: (extent, kernel, stride, pad) -> valid, full
COUNTS = [
    ((5, 2, 2, 0), 2, 3),
    ((5, 3, 2, 1), 3, 3),
    ((6, 3, 2, 0), 2, 3),
    ((7, 3, 3, 1), 3, 3),
    ((8, 3, 2, 1), 4, 5),
    ((4, 2, 3, 0), 1, 2),
]


@pytest.mark.parametrize(("geometry", "valid", "full"), COUNTS)
def test_number_of_windows(geometry, valid, full):
    extent, kernel, stride, pad = geometry
    for convention, count in (("valid", valid), ("full", full)):
        op = Pooling(kernel=(kernel,), stride=(stride,), pad=(pad,), pooling_convention=convention)
        assert op.infer_shape([(1, 1, extent)], [None])[1] == [(1, 1, count)]


def test_means_of_windows_over_the_edge(forward):
    """Values from MXNet 1.9.1: a window counts the border, but not what lies beyond it."""
    data = np.arange(1.0, 7).reshape(1, 1, 1, 6)
    options = {"kernel": (1, 3), "stride": (1, 2), "pad": (0, 1), "pooling_convention": "full", "pool_type": "avg"}
    assert forward(Pooling(**options), [data])[0].ravel().tolist() == [1, 3, 5, 3]
    without = Pooling(count_include_pad=False, **options)
    assert forward(without, [data])[0].ravel().tolist() == [1.5, 3, 5, 6]


def test_gradient_of_equal_elements_goes_to_the_first(forward, backward):
    op, data = Pooling(kernel=(2, 2)), np.ones((1, 1, 3, 3))
    out = forward(op, [data])
    (grad,) = backward(op, [data], out, out)
    assert grad[0, 0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_border_never_wins(forward):
    data = -np.ones((1, 1, 2, 2))
    assert (forward(Pooling(kernel=(2, 2), pad=(1, 1)), [data])[0] == -1).all()


def test_nan_comes_through(forward, backward):
    data = np.array([[[[1.0, np.nan], [2.0, 3.0]]]])
    op = Pooling(kernel=(2, 2))
    out = forward(op, [data])
    (grad,) = backward(op, [data], out, [np.ones((1, 1, 1, 1))])
    assert np.isnan(out[0]).all()
    assert grad.ravel().tolist() == [0, 1, 0, 0]


def test_batch_size_from_the_output():
    assert Pooling(kernel=(2, 2)).infer_shape([(0, 3, 4, 4)], [(5, 3, 3, 3)])[0] == [(5, 3, 4, 4)]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "missing parameter kernel"),
        ({"kernel": (2, 2), "pool_type": "min"}, "parameter pool_type: expected one of max, avg, sum, lp"),
        ({"kernel": (2, 2), "pool_type": "lp"}, "missing parameter p_value"),
        ({"kernel": (2, 2), "pool_type": "lp", "p_value": 4}, "parameter p_value: expected a whole number"),
        ({"kernel": (2, 2), "layout": "NWC"}, "parameter layout: expected a layout of 4 axes"),
        ({"kernel": (2, 2), "pad": (2, 0)}, "parameter pad: expected less than kernel"),
        ({"kernel": (2, 2), "pad": (1, 1), "pooling_convention": "same"}, 'pooling_convention="same"'),
        ({"kernel": (2, 2), "stride": (1, 1, 1)}, "parameter stride: expected 2 numbers"),
    ],
)
def test_wrong_parameters(options, text):
    with pytest.raises(ParameterError, match="Pooling: ") as caught:
        Pooling(**options)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ({"kernel": (2, 2)}, (1, 1, 5)),
        ({"kernel": (6, 2)}, (1, 1, 5, 5)),
        ({"kernel": (1, 2), "stride": (1, 4), "pooling_convention": "full"}, (1, 1, 1, 4)),
        ({"global_pool": True}, (3, 4)),
    ],
)
def test_wrong_shapes(options, data):
    with pytest.raises(ShapeError, match="Pooling: data"):
        Pooling(**options).infer_shape([data], [None])
