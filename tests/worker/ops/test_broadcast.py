"""Arithmetic that stretches extents of 1."""

import numpy as np
import pytest

from pushgrad.common.errors import ShapeError
from pushgrad.worker.ops.operator import lookup

BINARY = {
    "broadcast_add": np.add,
    "broadcast_sub": np.subtract,
    "broadcast_mul": np.multiply,
    "broadcast_div": np.divide,
    "broadcast_power": np.power,
}
SHAPES = [
    ((2, 3), (2, 3)),
    ((2, 3), (2, 1)),
    ((1, 3), (2, 1)),
    ((2, 3, 2), (1, 3, 1)),
    ((3,), (2, 1, 3)),
    ((2, 3), (1,)),
]


def positive(shape, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 2, shape)


@pytest.mark.parametrize(("left", "right"), SHAPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary(name, left, right, forward, gradcheck):
    op, arrays = lookup(name)(), [positive(left), positive(right, 1)]
    np.testing.assert_allclose(forward(op, arrays)[0], BINARY[name](*arrays), rtol=1e-14)
    gradcheck(op, arrays)


def test_shapes():
    op = lookup("broadcast_add")()
    assert op.infer_shape([(2, 0), (1, 3)], [None])[1] == [(2, 3)]
    assert op.infer_shape([(2, 0), (1, 1)], [None])[1] == [(2, 0)]
    assert op.infer_shape([(2, 0), (1, 0)], [None])[1] == [(2, 0)]
    assert op.infer_shape([(2, 3), None], [(2, 3)]) == ([(2, 3), None], [(2, 3)])
    with pytest.raises(ShapeError, match="broadcast_add: rhs: expected extent 3 or 1, got 4"):
        op.infer_shape([(2, 3), (2, 4)], [None])


@pytest.mark.parametrize(
    ("left", "right", "couples"),
    [((2, 3), (2, 3), False), ((2, 3), (2, 1), False), ((2, 3), (1, 3), True), ((2, 3), (3,), True)],
)
def test_one_row_that_meets_many_couples_them(left, right, couples):
    assert lookup("broadcast_mul")().couples_rows([left, right]) is couples


def test_other_names():
    assert lookup("broadcast_plus").op_name() == "broadcast_add"
    assert lookup("broadcast_minus").op_name() == "broadcast_sub"
