"""take, pick, one_hot, where, argmax and the like."""

import numpy as np
import pytest

from pushgrad.common.errors import DataError, ShapeError
from pushgrad.worker.ops.operator import lookup


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("mode", ["clip", "wrap"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_take(axis, mode, forward, gradcheck):
    op, data = lookup("take")(axis=axis, mode=mode), draw(3, 3, 4)
    indices = np.array([[0, 2, 2], [-1, 5, 1]], float)
    expected = np.take(data, indices.astype(int), axis=axis, mode=mode)
    assert op.infer_shape([data.shape, indices.shape], [None])[1] == [expected.shape]
    assert (forward(op, [data, indices])[0] == expected).all()
    gradcheck(op, [data, indices], wrt=[0])


def test_take_may_refuse(forward):
    with pytest.raises(DataError, match="take: indices: row 1: expected a whole number from 0 to 2, got 3"):
        forward(lookup("take")(mode="raise"), [draw(3, 2), np.array([0.0, 3])])


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_pick(axis, keepdims, forward, backward, gradcheck):
    op, data = lookup("pick")(axis=axis, keepdims=keepdims), draw(2, 3, 3)
    shape = list(data.shape)
    shape[axis] = 1
    index = np.random.default_rng(1).integers(0, 2, shape).astype(float)
    expected = np.take_along_axis(data, index.astype(int), axis)
    for given in (index, index.squeeze(axis)):
        (out,) = forward(op, [data, given])
        assert (out == (expected if keepdims else expected.squeeze(axis))).all()
        gradcheck(op, [data, given], wrt=[0])
        assert not backward(op, [data, given], [out], [np.ones_like(out)])[1].any()
    assert op.couples_rows([data.shape, ()]) is (axis == 0)


def test_picks_outside(forward):
    data, index = np.array([[1.0, 2], [3, 4]]), np.array([-1.0, 5])
    assert forward(lookup("pick")(), [data, index])[0].tolist() == [1, 4]
    assert forward(lookup("pick")(mode="wrap"), [data, index])[0].tolist() == [2, 4]
    assert lookup("pick")().infer_shape([(4, 2), None], [None]) == ([(4, 2), (4,)], [(4,)])
    with pytest.raises(ShapeError, match="pick: index"):
        lookup("pick")().infer_shape([(4, 2), (3,)], [None])


def test_one_hot(forward):
    indices = np.array([[0, 2], [3, -1]], float)
    (out,) = forward(lookup("one_hot")(depth=3, on_value=2, off_value=-1), [indices])
    assert out.tolist() == [[[2, -1, -1], [-1, -1, 2]], [[-1, -1, -1], [-1, -1, -1]]]
    assert lookup("one_hot")(depth=3).infer_shape([None], [(5, 3)])[0] == [(5,)]


@pytest.mark.parametrize("rows", [False, True])
def test_where(rows, forward, gradcheck):
    condition = np.array([1.0, 0]) if rows else np.array([[0.0, 1, 2], [0, 0, 1]])
    arrays = [condition, draw(2, 3), draw(2, 3, seed=1)]
    expected = np.where(condition[:, None] if rows else condition, *arrays[1:])
    assert (forward(lookup("where")(), arrays)[0] == expected).all()
    gradcheck(lookup("where")(), arrays, wrt=[1, 2])


def test_shapes_of_where():
    op = lookup("where")()
    assert op.infer_shape([(2,), None, (2, 3)], [None]) == ([(2,), (2, 3), (2, 3)], [(2, 3)])
    assert op.infer_shape([None, None, None], [(2, 3)])[0] == [None, (2, 3), (2, 3)]
    with pytest.raises(ShapeError, match="where: condition"):
        op.infer_shape([(3,), None, (2, 3)], [None])


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_argmax(name, axis, keepdims, forward):
    op, data = lookup(name)(axis=axis, keepdims=keepdims), draw(2, 3, 4)
    (out,) = forward(op, [data])
    assert (out == getattr(np, name)(data, axis=axis, keepdims=keepdims)).all()
    assert op.blocks_gradient
    assert op.couples_rows([data.shape]) is (axis in (None, 0))
    assert forward(lookup("argmax_channel")(), [data])[0].shape == (2, 4)
    assert forward(lookup("argmax")(axis=0), [np.array([1.0, 3, 3])])[0].tolist() == [1]
