import numpy as np
import pytest

from pushgrad.common.slices import tree_reduce
from pushgrad.ps.optimizer import SGD, create
from pushgrad.ps.optimizers.base import Step
from pushgrad.ps.update import all_finite, plain_sgd, plain_sum, sum_rows, tree_pairs


def rows_of(workers, size, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=(workers, size)).astype(dtype)


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5, 7, 8, 16])
def test_pairs_add_up_every_row_in_tree_order(workers):
    terms = [str(i) for i in range(workers)]
    for into, other in tree_pairs(workers):
        terms[into] = f"({terms[into]}+{terms[other]})"
    assert terms[0] == tree_reduce([str(i) for i in range(workers)], lambda a, b: f"({a}+{b})")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_sum_has_the_bits_of_the_plain_one(workers, dtype):
    rows = (rows_of(workers, 9001, np.float64) * 100).astype(dtype)
    out = np.empty(9001, dtype)
    expected = plain_sum(rows.copy())
    sum_rows(rows, out)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("workers", [1, 3, 4])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "wd": 1e-3, "rescale_grad": 0.01},
        {"wd": 1e-3, "clip_gradient": 0.5},
        {"momentum": 0.5, "wd": 1e-4, "rescale_grad": 1 / 3, "clip_gradient": 0.25},
    ],
    ids=str,
)
def test_sgd_has_the_bits_of_the_plain_one(dtype, workers, options):
    sgd = SGD(**options)
    weight = rows_of(1, 10_000, dtype, seed=1)[0]
    states = {name: rows_of(1, 10_000, dtype, seed=2)[0] for name in sgd.state_names}
    plain, mom = weight.copy(), states["mom"].copy() if states else None
    clip = np.inf if sgd.clip_gradient is None else sgd.clip_gradient
    numbers = [dtype(value) for value in (0.05 * 0.3, sgd.wd * 0.5, sgd.rescale_grad, clip, sgd.momentum)]
    for step in range(3):
        rows = rows_of(workers, 10_000, dtype, seed=10 + step)
        plain_sgd(rows.copy(), plain, mom, *numbers)
        sgd.apply(rows, weight, states, Step(0.05, 0.3, 0.5))
    assert weight.dtype == dtype
    np.testing.assert_array_equal(weight, plain)
    if mom is not None:
        np.testing.assert_array_equal(states["mom"], mom)


def test_sgd_follows_the_rule_by_hand():
    weight, states = np.array([1.0, -2.0]), {"mom": np.array([0.5, 0.0])}
    sgd = SGD(momentum=0.9, wd=0.1, rescale_grad=0.5, clip_gradient=1.0)
    sgd.apply(np.array([[1.0, 4.0], [1.0, 8.0]]), weight, states, Step(0.2))
    # sums 2 and 12, rescaled 1 and 6, clipped 1 and 1, with decay 1.1 and 0.8
    np.testing.assert_allclose(states["mom"], [0.9 * 0.5 - 0.2 * 1.1, -0.2 * 0.8], rtol=1e-15)
    np.testing.assert_allclose(weight, [1.0 + 0.23, -2.0 - 0.16], rtol=1e-15)


def test_the_conformance_optimizer_adds():
    weight = np.ones(5, np.float32)
    create("test", rescale_grad=2).apply(np.full((3, 5), 1.5, np.float32), weight, {}, Step(0.0))
    np.testing.assert_array_equal(weight, np.full(5, 1 + 2 * 4.5, np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 17, 999])
def test_one_bad_value_is_found(dtype, value, where):
    array = np.full(1000, np.finfo(dtype).max, dtype)
    array[::2] = -np.finfo(dtype).max
    assert all_finite(array)
    array[where] = value
    assert not all_finite(array)
    assert not all_finite(np.stack([array, array]).T)  # not contiguous


def test_nothing_and_a_scalar_are_finite():
    assert all_finite(np.empty(0, np.float32))
    assert all_finite(np.array(3.0))
    assert not all_finite(np.array(np.nan))
