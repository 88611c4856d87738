"""broadcast_to, broadcast_axis, broadcast_like, tile, repeat and stack."""

import numpy as np
import pytest

from pushgrad.common.errors import ParameterError, ShapeError
from pushgrad.worker.ops.operator import lookup


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def check(op, arrays, expected, forward, gradcheck):
    (out,) = forward(op, arrays)
    assert out.shape == expected.shape
    assert (out == expected).all()
    gradcheck(op, arrays)


def test_broadcast_to(forward, gradcheck):
    array = draw(1, 3, 1)
    op = lookup("broadcast_to")(shape=(2, 0, 4))
    check(op, [array], np.broadcast_to(array, (2, 3, 4)), forward, gradcheck)
    assert op.couples_rows([(1, 3, 1)])
    assert not op.couples_rows([(2, 3, 1)])
    for data in [(1, 3), (3, 3, 1)]:
        with pytest.raises(ShapeError, match="broadcast_to: data"):
            op.infer_shape([data], [None])


def test_broadcast_axis(forward, gradcheck):
    array = draw(2, 1, 1)
    op = lookup("broadcast_axes")(axis=(1, -1), size=(3, 4))
    check(op, [array], np.broadcast_to(array, (2, 3, 4)), forward, gradcheck)
    with pytest.raises(ParameterError, match="broadcast_axis: parameter size: expected 1 numbers"):
        lookup("broadcast_axis")(axis=1, size=(2, 3))


def test_broadcast_like(forward, gradcheck):
    array = draw(1, 3)
    check(lookup("broadcast_like")(), [array, draw(2, 3)], np.broadcast_to(array, (2, 3)), forward, gradcheck)
    op = lookup("broadcast_like")(lhs_axes=(0,), rhs_axes=(2,))
    check(op, [array, draw(1, 1, 4)], np.broadcast_to(array, (4, 3)), forward, gradcheck)
    with pytest.raises(ParameterError, match="broadcast_like: parameter rhs_axes"):
        lookup("broadcast_like")(lhs_axes=(0,))
    with pytest.raises(ShapeError, match="broadcast_like: rhs"):
        lookup("broadcast_like")().infer_shape([(1, 3), (3,)], [None])


@pytest.mark.parametrize("reps", [(2,), (2, 2), (1, 3), (2, 1, 3), (1,)])
@pytest.mark.parametrize("shape", [(2, 3), (3,)])
def test_tile(shape, reps, forward, gradcheck):
    array = draw(*shape)
    op = lookup("tile")(reps=reps)
    check(op, [array], np.tile(array, reps), forward, gradcheck)
    assert op.couples_rows([(2, 3)]) is (len(reps) > 2 or (len(reps) == 2 and reps[0] > 1))


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_repeat(axis, forward, gradcheck):
    array = draw(2, 3, 2)
    op = lookup("repeat")(repeats=3, axis=axis)
    check(op, [array], np.repeat(array, 3, axis), forward, gradcheck)
    assert op.couples_rows([array.shape]) is (axis in (None, 0))


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_stack(axis, forward, gradcheck):
    arrays = [draw(2, 3, seed=i) for i in range(3)]
    op = lookup("stack")(num_args=3, axis=axis)
    check(op, arrays, np.stack(arrays, axis), forward, gradcheck)
    assert op.couples_rows([(2, 3)] * 3) is (axis in (0, -3))
    whole = np.stack(arrays, axis).shape
    assert op.infer_shape([None, (0, 3), None], [whole]) == ([(2, 3)] * 3, [whole])
    with pytest.raises(ShapeError, match="stack"):
        op.infer_shape([(2, 3), (2, 4), None], [None])
