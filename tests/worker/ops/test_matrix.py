"""dot and batch_dot, stored every way round."""

import numpy as np
import pytest

from pushgrad.common.errors import ShapeError
from pushgrad.worker.ops.operator import lookup


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize(("rest_a", "rest_b"), [((2,), (4,)), ((2, 3), (2, 2)), ((), (3,)), ((3,), ()), ((), ())])
def test_dot(rest_a, rest_b, transpose_a, transpose_b, forward, gradcheck):
    left = draw(*((5, *rest_a) if transpose_a else (*rest_a, 5)))
    right = draw(*((*rest_b, 5) if transpose_b else (5, *rest_b)), seed=1)
    op = lookup("dot")(transpose_a=transpose_a, transpose_b=transpose_b)
    (out,) = forward(op, [left, right])
    axes = (0 if transpose_a else left.ndim - 1, right.ndim - 1 if transpose_b else 0)
    assert out.shape == ((*rest_a, *rest_b) or (1,))
    np.testing.assert_allclose(out, np.tensordot(left, right, axes).reshape(out.shape), rtol=1e-12)
    gradcheck(op, [left, right])


@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("stack", [(3,), (2, 2)])
def test_batch_dot(stack, transpose_a, transpose_b, forward, gradcheck):
    left, right = draw(*stack, 2, 5), draw(*stack, 5, 3, seed=1)
    stored = [
        left.swapaxes(-1, -2).copy() if transpose_a else left,
        right.swapaxes(-1, -2).copy() if transpose_b else right,
    ]
    op = lookup("batch_dot")(transpose_a=transpose_a, transpose_b=transpose_b)
    np.testing.assert_allclose(forward(op, stored)[0], left @ right, rtol=1e-12)
    gradcheck(op, stored)
    assert not op.couples_rows([array.shape for array in stored])


def test_shapes():
    dot, batch_dot = lookup("dot")(), lookup("batch_dot")(transpose_b=True)
    assert dot.infer_shape([(0, 3), (3, 4)], [None])[1] == [(0, 4)]
    assert dot.infer_shape([(2, 3), None], [None]) == ([(2, 3), None], [None])
    assert batch_dot.infer_shape([(0, 2, 5), (7, 3, 0)], [None]) == ([(7, 2, 5), (7, 3, 5)], [(7, 2, 3)])
    assert dot.couples_rows([(2, 3), (3, 4)])
    for op, shapes in (
        (dot, [(2, 3), (4, 5)]),
        (batch_dot, [(2, 3, 4), (2, 3, 5)]),
        (batch_dot, [(2, 3, 4), (3, 3, 4)]),
        (batch_dot, [(3, 4), (3, 4)]),
    ):
        with pytest.raises(ShapeError, match="dot: rhs"):
            op.infer_shape(shapes, [None])
