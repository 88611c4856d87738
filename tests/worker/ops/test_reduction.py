"""sum, mean, max, min, prod, nansum, nanprod, norm over every choice of axes."""

import numpy as np
import pytest

from pushgrad.common.errors import ShapeError
from pushgrad.worker.ops.operator import lookup

FOLDS = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "prod": np.prod,
    "nansum": np.nansum,
    "nanprod": np.nanprod,
}
# axis, exclude, and the axes of three-dimensional data that are folded
AXES = [
    (None, False, (0, 1, 2)),
    ((), False, (0, 1, 2)),
    ((), True, (0, 1, 2)),
    (1, False, (1,)),
    ((0, 2), False, (0, 2)),
    (-1, False, (2,)),
    (1, True, (0, 2)),
    ((0, 1, 2), True, ()),
]


def draw(*shape):
    return np.random.default_rng(5).normal(size=shape) + 0.1


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("axis", "exclude", "folded"), AXES)
@pytest.mark.parametrize("name", FOLDS)
def test_fold(name, axis, exclude, folded, keepdims, forward, gradcheck):
    op, array = lookup(name)(axis=axis, exclude=exclude, keepdims=keepdims), draw(2, 3, 2)
    expected = np.asarray(FOLDS[name](array, axis=folded, keepdims=keepdims))
    (out,) = forward(op, [array])
    assert out.shape == (expected.shape or (1,))
    np.testing.assert_allclose(out, expected.reshape(out.shape), rtol=1e-13)
    gradcheck(op, [array])
    assert op.couples_rows([array.shape]) is (0 in folded)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2)])
@pytest.mark.parametrize("ord", [1, 2])
def test_norm(ord, axis, keepdims, forward, gradcheck):
    op, array = lookup("norm")(ord=ord, axis=axis, keepdims=keepdims), draw(2, 3, 2)
    power = (np.abs(array) ** ord).sum(axis=axis, keepdims=keepdims) ** (1 / ord)
    np.testing.assert_allclose(forward(op, [array])[0].ravel(), np.ravel(power), rtol=1e-13)
    gradcheck(op, [array])


def test_gradients_where_it_is_hard(forward, backward):
    def gradient(name, rows, **options):
        op, array = lookup(name)(axis=1, **options), np.array(rows, float)
        return backward(op, [array], forward(op, [array]), [np.ones(len(rows))])[0].tolist()

    assert gradient("max", [[1, 2, 2], [3, 1, 0]]) == [[0, 1, 1], [1, 0, 0]]
    assert gradient("prod", [[1, 0, 2], [0, 0, 2], [3, 1, 2]]) == [[0, 2, 0], [0, 0, 0], [2, 6, 3]]
    assert gradient("nansum", [[1, np.nan]]) == [[1, 0]]
    assert gradient("nanprod", [[2, np.nan, 3]]) == [[3, 0, 2]]
    assert gradient("norm", [[0, 0], [3, 4]]) == [[0, 0], [0.6, 0.8]]
    assert gradient("norm", [[0, -2]], ord=1) == [[0, -1]]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [1, -1, (1, 2)])
@pytest.mark.parametrize("name", [*FOLDS, "norm"])
def test_an_empty_share_of_the_batch(name, axis, keepdims, forward, backward):
    """A GPU beside others may have no rows."""
    op, array = lookup(name)(axis=axis, keepdims=keepdims), np.zeros((0, 3, 2))
    out = forward(op, [array])
    assert out[0].shape[0] == 0 and not op.couples_rows([array.shape])
    assert backward(op, [array], out, out)[0].shape == array.shape


def test_extents_that_are_kept_follow_from_the_output():
    assert lookup("sum")(axis=1).infer_shape([(0, 3, 4)], [(5, 4)]) == ([(5, 3, 4)], [(5, 4)])
    assert lookup("sum")(axis=1, keepdims=True).infer_shape([(0, 3)], [(5, 1)]) == ([(5, 3)], [(5, 1)])
    assert lookup("mean")().infer_shape([(0, 3)], [None]) == ([(0, 3)], [(1,)])
    assert lookup("mean")().infer_shape([None], [(1,)]) == ([None], [(1,)])
    with pytest.raises(ShapeError, match=r"sum: output: expected shape \(2,\), got \(3,\)"):
        lookup("sum")(axis=1).infer_shape([(2, 4)], [(3,)])


@pytest.mark.parametrize(("axis", "message"), [(2, "axis 2"), ((1, 1), "each axis once"), ((0, -2), "each axis once")])
def test_axes_that_are_not_there(axis, message):
    with pytest.raises(ShapeError, match=f"sum: .*{message}"):
        lookup("sum")(axis=axis).infer_shape([(2, 4)], [None])


def test_old_names():
    assert lookup("sum_axis") is lookup("sum")
    assert lookup("max_axis").op_name() == "max"
