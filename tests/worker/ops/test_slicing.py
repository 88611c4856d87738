"""slice, slice_axis, slice_like and reverse against numpy's slices."""

import numpy as np
import pytest

from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.operator import lookup


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize(
    ("options", "index", "couples"),
    [
        ({"begin": (0, 1), "end": (2, 3)}, np.s_[0:2, 1:3], True),
        ({"begin": (None, 1), "end": (None, 10)}, np.s_[:, 1:], False),
        ({"begin": "(1, None)", "end": "(None, -1)"}, np.s_[1:, :-1], True),
        ({"begin": "(1L, None)", "end": "(None, -1L)"}, np.s_[1:, :-1], True),  # as Python 2 wrote it
        ({"begin": (None, 3), "end": (None, None), "step": (None, -2)}, np.s_[:, 3::-2], False),
        ({"begin": (None, None, None), "end": (None, None, -1), "step": (1, 2, 1)}, np.s_[:, ::2, :-1], False),
        ({"begin": (None,), "end": (None,), "step": (-1,)}, np.s_[::-1], True),
        ({"begin": 1, "end": 3}, np.s_[1:3], True),
    ],
)
def test_slice(options, index, couples, forward, gradcheck):
    op, array = lookup("crop")(**options), draw(3, 4, 2)
    assert op.op_name() == "slice"
    assert (forward(op, [array])[0] == array[index]).all()
    gradcheck(op, [array])
    assert op.couples_rows([array.shape]) is couples


def test_slice_carries_what_is_known():
    op = lookup("slice")(begin=(None, 1), end=(None, 3))
    assert op.attrs() == {"begin": "(None, 1)", "end": "(None, 3)"}
    assert op.infer_shape([(0, 4, 0)], [None])[1] == [(0, 2, 0)]
    assert op.infer_shape([(0, 4, 0)], [(5, 2, 3)]) == ([(5, 4, 3)], [(5, 2, 3)])
    assert op.infer_shape([None], [(5, 2)]) == ([None], [(5, 2)])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"begin": (0,), "end": (1, 2)}, ParameterError, "slice: parameter end: expected 1 numbers"),
        ({"begin": (0,), "end": (1,), "step": (0,)}, ParameterError, "slice: parameter step: .*not 0"),
        ({"begin": (0.5,), "end": (1,)}, ParameterError, "slice: parameter begin: expected a tuple of whole numbers"),
        ({"begin": "(0," + " " * 999 + ")", "end": (1,)}, ParameterError, "slice: parameter begin: expected a tuple"),
        ({"begin": (), "end": (), "step": "[" * 1000}, ParameterError, "slice: parameter step: expected a tuple"),
        (
            {"begin": (3,), "end": (3,)},
            ShapeError,
            "slice: data: expected elements left on axis 0, got extent 3",
        ),
        ({"begin": (0, 0, 0), "end": (1, 1, 1)}, ShapeError, r"slice: data: expected at least 3 axes, got \(3, 4\)"),
    ],
)
def test_slices_that_cannot_be(options, error, message):
    with pytest.raises(error, match=message):
        lookup("slice")(**options).infer_shape([(3, 4)], [None])


@pytest.mark.parametrize(
    ("axis", "begin", "end"), [(0, 1, 3), (1, 0, 2), (-1, 1, None), (1, -2, None), (2, 1, -1), (1, -4, 4)]
)
def test_slice_axis(axis, begin, end, forward, gradcheck):
    op, array = lookup("slice_axis")(axis=axis, begin=begin, end=end), draw(3, 4, 5)
    expected = np.moveaxis(np.moveaxis(array, axis, 0)[begin:end], 0, axis)
    assert (forward(op, [array])[0] == expected).all()
    gradcheck(op, [array])
    assert op.couples_rows([array.shape]) is (axis == 0)


@pytest.mark.parametrize(("begin", "end"), [(0, 5), (4, None), (-5, 2), (2, 1)])
def test_slice_axis_leaves_data(begin, end):
    with pytest.raises(ShapeError, match="slice_axis: data"):
        lookup("slice_axis")(axis=1, begin=begin, end=end).infer_shape([(3, 4)], [None])


@pytest.mark.parametrize(("axes", "expected"), [((), (2, 3)), ((1,), (3, 3)), ((-2,), (2, 4))])
def test_slice_like(axes, expected, forward, gradcheck):
    op, arrays = lookup("slice_like")(axes=axes), [draw(3, 4), draw(2, 3)]
    assert (forward(op, arrays)[0] == arrays[0][: expected[0], : expected[1]]).all()
    gradcheck(op, arrays)
    assert op.couples_rows([(3, 4), (2, 3)]) is (expected[0] == 2)
    with pytest.raises(ShapeError, match="slice_like: shape_like on axis"):
        op.infer_shape([(1, 2), (2, 3)], [None])


@pytest.mark.parametrize("axis", [0, 1, (0, 2), -1])
def test_reverse(axis, forward, gradcheck):
    op, array = lookup("flip")(axis=axis), draw(2, 3, 2)
    assert (forward(op, [array])[0] == np.flip(array, axis)).all()
    gradcheck(op, [array])
    assert op.couples_rows([array.shape]) is (axis in (0, (0, 2)))
    assert op.infer_shape([(0, 3, 2)], [(2, 3, 2)])[0] == [(2, 3, 2)]
