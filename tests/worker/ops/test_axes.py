"""transpose, SwapAxis, expand_dims, squeeze, SliceChannel and ElementWiseSum."""

import numpy as np
import pytest

from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.operator import Step, lookup


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("axes", [(), (0, 1, 2), (0, 2, 1), (2, 0, 1), (1, 2, 0), (0, -1, 1)])
def test_transpose(axes, forward, gradcheck):
    op, array = lookup("transpose")(axes=axes), draw(2, 3, 4)
    assert (forward(op, [array])[0] == array.transpose(axes or None)).all()
    gradcheck(op, [array])
    assert op.couples_rows([array.shape]) is (axes[:1] != (0,))
    assert op.infer_shape([None], [forward(op, [array])[0].shape])[0] == [(2, 3, 4)]


@pytest.mark.parametrize("axes", [(0, 0), (0, 2), (1, 2), (-3, 0)])
def test_transpose_needs_each_axis_once(axes):
    with pytest.raises(ParameterError, match="transpose: parameter axes: expected each axis once"):
        lookup("transpose")(axes=axes)


def test_transpose_of_other_data():
    with pytest.raises(ShapeError, match="transpose: data: expected 2 axes, got 3"):
        lookup("transpose")(axes=(1, 0)).infer_shape([(1, 2, 3)], [None])


@pytest.mark.parametrize(("dim1", "dim2"), [(0, 1), (1, 2), (0, 0), (-1, 0)])
def test_swap_axis(dim1, dim2, forward, gradcheck):
    op, array = lookup("swapaxes")(dim1=dim1, dim2=dim2), draw(2, 3, 4)
    assert (forward(op, [array])[0] == array.swapaxes(dim1, dim2)).all()
    gradcheck(op, [array])
    assert op.couples_rows([array.shape]) is (dim1 != dim2 and 0 in (dim1, dim2))
    with pytest.raises(ShapeError, match="SwapAxis: dim 3"):
        lookup("SwapAxis")(dim1=3).infer_shape([(1, 2, 3)], [None])


@pytest.mark.parametrize("axis", [0, 1, 3, -1, -2, -4])
def test_expand_dims(axis, forward, gradcheck):
    op, array = lookup("expand_dims")(axis=axis), draw(2, 3, 2)
    out = np.expand_dims(array, axis)
    assert (forward(op, [array])[0] == out).all()
    gradcheck(op, [array])
    assert op.infer_shape([None], [out.shape]) == ([(2, 3, 2)], [out.shape])
    assert op.couples_rows([array.shape]) is (axis in (0, -4))
    with pytest.raises(ShapeError, match=r"expand_dims: (data|output)"):
        op.infer_shape([(2, 3, 2)], [(2, 3, 2, 2)])


@pytest.mark.parametrize(
    ("axis", "shape", "expected"),
    [
        (None, (2, 1, 3, 1), (2, 3)),
        (None, (1, 1), (1,)),
        (1, (2, 1, 3), (2, 3)),
        ((0, -1), (1, 2, 1), (2,)),
        ((1,), (2, 1), (2,)),
    ],
)
def test_squeeze(axis, shape, expected, forward, gradcheck):
    op, array = lookup("squeeze")(axis=axis), draw(*shape)
    assert op.infer_shape([shape], [None])[1] == [expected]
    assert (forward(op, [array])[0].ravel() == array.ravel()).all()
    gradcheck(op, [array])
    assert op.couples_rows([shape]) is (axis is None or axis == (0, -1))


def test_squeeze_carries_what_is_known():
    op = lookup("squeeze")(axis=(1,))
    assert op.infer_shape([(0, 0, 3)], [(5, 3)]) == ([(5, 1, 3)], [(5, 3)])
    assert lookup("squeeze")().infer_shape([(0, 1)], [None]) == ([(0, 1)], [None])
    with pytest.raises(ShapeError, match=r"squeeze: data: expected extent 1 on axis \(2,\)"):
        lookup("squeeze")(axis=2).infer_shape([(1, 1, 3)], [None])


@pytest.mark.parametrize("squeeze_axis", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_slice_channel(axis, squeeze_axis, forward, gradcheck):
    shape = [2, 3, 2]
    shape[axis] = 3 if squeeze_axis else 6
    array = draw(*shape)
    op = lookup("split")(num_outputs=3, axis=axis, squeeze_axis=squeeze_axis)
    expected = np.split(array, 3, axis)
    for out, part in zip(forward(op, [array]), expected, strict=True):
        assert (out == (part.squeeze(axis) if squeeze_axis else part)).all()
    gradcheck(op, [array])
    part_shape = expected[1].squeeze(axis).shape if squeeze_axis else expected[1].shape
    assert op.infer_shape([None], [None, part_shape, None]) == ([tuple(shape)], [part_shape] * 3)
    assert op.couples_rows([array.shape]) is (axis in (0, -3))


def test_slice_channel_with_what_is_unknown():
    op = lookup("SliceChannel")(num_outputs=2)
    assert op.infer_shape([(0, 4)], [None, (7, 2)]) == ([(7, 4)], [(7, 2)] * 2)
    assert op.infer_shape([(3, 0)], [None, None])[1] == [(3, 0)] * 2
    assert op.infer_shape([None], [None, None]) == ([None], [None, None])
    assert op.couples_rows() is False


@pytest.mark.parametrize(
    ("options", "data", "message"),
    [
        ({}, (3, 5), "divisible by 2 on axis 1"),
        ({"squeeze_axis": True}, (3, 4), "extent 2 on axis 1"),
        ({"axis": 2}, (3, 4), "axis 2: expected an axis of 2-dimensional data"),
    ],
)
def test_slice_channel_that_does_not_fit(options, data, message):
    with pytest.raises(ShapeError, match=f"SliceChannel: .*{message}"):
        lookup("SliceChannel")(num_outputs=2, **options).infer_shape([data], [None, None])


@pytest.mark.parametrize("number", [1, 2, 4])
def test_element_wise_sum(number, forward, gradcheck):
    op = lookup("ElementWiseSum")(num_args=number)
    arrays = [draw(2, 3, seed=i) for i in range(number)]
    np.testing.assert_allclose(forward(op, arrays)[0], sum(arrays), rtol=1e-12)
    gradcheck(op, arrays)
    assert op.op_name() == "add_n"
    assert op.arguments()[-1] == f"arg{number - 1}"


def test_views_share_memory():
    array = np.arange(6.0).reshape(2, 1, 3)
    for op, shape in ((lookup("expand_dims")(axis=1), (2, 1, 1, 3)), (lookup("squeeze")(axis=1), (2, 3))):
        op.forward(Step(), [array], [array.reshape(shape)])
        assert op.is_view
        assert array.ravel().tolist() == [0, 1, 2, 3, 4, 5]
