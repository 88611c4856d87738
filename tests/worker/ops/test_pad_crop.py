"""Pad and Crop, against numpy's pad and slices; Cast."""

import numpy as np
import pytest

from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.operator import Step, lookup


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
@pytest.mark.parametrize(
    ("shape", "border"),
    [
        ((1, 2, 3, 4), (0, 0, 0, 0, 1, 2, 3, 0)),
        ((2, 1, 3, 3), (0, 0, 0, 0, 2, 2, 0, 1)),
        ((1, 1, 2, 3, 2), (0, 0, 0, 0, 1, 0, 2, 1, 0, 1)),
        ((1, 1, 2, 2), (0, 0, 0, 0, 0, 0, 0, 0)),
    ],
)
def test_pad(mode, shape, border, forward, gradcheck):
    fill = {"constant_value": 0.5} if mode == "constant" else {}
    op, array = lookup("pad")(mode=mode, pad_width=border, **fill), draw(*shape)
    numpys = {"constant_values": 0.5} if mode == "constant" else {}
    expected = np.pad(array, [*zip(border[::2], border[1::2], strict=True)], mode, **numpys)
    assert (forward(op, [array])[0] == expected).all()
    gradcheck(op, [array])
    assert op.infer_shape([None], [expected.shape])[0] == [shape]


def test_pads_that_cannot_be():
    for border in [(1, 0, 0, 0, 1, 1, 1, 1), (0, 0, 1, 1)]:
        with pytest.raises(ParameterError, match="Pad: parameter pad_width: expected 8 or 10 numbers"):
            lookup("Pad")(mode="edge", pad_width=border)
    op = lookup("Pad")(mode="reflect", pad_width=(0, 0, 0, 0, 2, 2, 0, 0))
    with pytest.raises(ShapeError, match="Pad: data: expected extents larger than the border 2"):
        op.infer_shape([(1, 1, 2, 5)], [None])
    with pytest.raises(ShapeError, match="Pad: data: expected 4 axes"):
        op.infer_shape([(1, 1, 2)], [None])
    assert op.infer_shape([(0, 1, 0, 5)], [None])[1] == [(0, 1, 0, 5)]


@pytest.mark.parametrize("options", [{"offset": (1, 2)}, {"center_crop": True}, {}])
@pytest.mark.parametrize("second", [False, True])
def test_crop(options, second, forward, gradcheck):
    size = {"num_args": 2} if second else {"num_args": 1, "h_w": (2, 3)}
    op, data = lookup("Crop")(**size, **options), draw(2, 1, 5, 6)
    arrays = [data, draw(2, 4, 2, 3)] if second else [data]
    y, x = (1, 1) if "center_crop" in options else options.get("offset", (0, 0))
    assert (forward(op, arrays)[0] == data[:, :, y : y + 2, x : x + 3]).all()
    gradcheck(op, arrays)


def test_crops_that_cannot_be():
    with pytest.raises(ParameterError, match="Crop: parameter h_w: expected a height and a width"):
        lookup("Crop")(num_args=1)
    with pytest.raises(ParameterError, match="Crop: parameter offset"):
        lookup("Crop")(num_args=2, offset=(1,))
    op = lookup("Crop")(num_args=1, h_w=(2, 3), offset=(1, 1))
    with pytest.raises(ShapeError, match=r"Crop: data: expected room for \(2, 3\) at \(1, 1\), got \(1, 1, 5, 3\)"):
        op.infer_shape([(1, 1, 5, 3)], [None])
    assert op.infer_shape([(0, 3, 5, 5)], [(4, 3, 2, 3)]) == ([(4, 3, 5, 5)], [(4, 3, 2, 3)])


VALUES = np.array([1.7, -1.7, 300.2, -300, 0, 70000, np.nan, 1.0005], np.float32)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("int8", [1, -1, 44, -44, 0, 112, np.nan, 1]),
        ("uint8", [1, 255, 44, 212, 0, 112, np.nan, 1]),
        ("int32", [1, -1, 300, -300, 0, 70000, np.nan, 1]),
        ("bool", [1, 1, 1, 1, 0, 1, 1, 1]),
        ("float16", [1.7001953125, -1.7001953125, 300.25, -300, 0, np.inf, np.nan, 1.0009765625]),
        ("bfloat16", [1.703125, -1.703125, 300, -300, 0, 70144, np.nan, 1]),
        (np.float32, VALUES),
    ],
)
def test_cast(dtype, expected, forward, backward):
    op = lookup("cast")(dtype=dtype)
    out = forward(op, [VALUES])
    np.testing.assert_array_equal(out[0], np.array(expected, np.float32))
    gradient = np.array([1.7], np.float32)
    rounded = backward(op, [VALUES[:1]], out, [gradient])[0]
    assert rounded == {"float16": np.float32(1.7001953125), "bfloat16": 1.703125}.get(op.dtype, gradient)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64", "float16", "bfloat16", "float32"])
def test_casts_keep_infinity(dtype, forward):
    """Without a warning: warnings are errors here."""
    array = np.array([np.inf, -np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(forward(lookup("cast")(dtype=dtype), [array])[0], array)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_large_doubles_become_infinite_halves(dtype, forward):
    found = forward(lookup("cast")(dtype=dtype), [np.array([1e300, -1e300, 2.0])])
    assert found[0].tolist() == [np.inf, -np.inf, 2]


def test_casts_that_change_nothing_are_views():
    assert lookup("Cast")(dtype="float64").is_view
    assert not lookup("Cast")(dtype="float16").is_view
    for name, options in (("amp_cast", {"dtype": "float16"}), ("_CrossDeviceCopy", {})):
        op, array = lookup(name)(**options), draw(2, 3)
        op.forward(Step(), [array], [array])
        assert op.is_view
    with pytest.raises(ParameterError, match="Cast: parameter dtype: expected one of float16"):
        lookup("Cast")(dtype="complex64")
