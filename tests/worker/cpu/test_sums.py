"""Sums of a fixed shape: 16 parts and a tree, in double precision, whatever the width of vectors."""

import itertools

import numba
import numpy as np
import pytest

from pushgrad.common.call_table import Table
from pushgrad.worker.cpu.sum_rows import add_rows
from pushgrad.worker.cpu.sums import sum_over, sum_pixels_row
from pushgrad.worker.cpu.vector_loops import LANES, largest, summed


def normal(*shape):
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def in_parts(x):
    parts = np.zeros(LANES)
    for place, number in enumerate(x):
        parts[place % LANES] += number
    while len(parts) > 1:
        parts = parts[: len(parts) // 2] + parts[len(parts) // 2 :]
    return parts[0]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 100])
def test_place_i_belongs_to_part_i_modulo_16(count):
    fold = summed(lambda x, factor: x * factor)

    @numba.njit
    def run(x, factor):
        return fold((x.ctypes.data,), (factor,), x.size)

    x = normal(count) * 1000
    assert run(x, 0.5) == in_parts(x * np.float32(0.5))


def test_the_largest_passes_over_nan():
    fold = largest(lambda x: x)

    @numba.njit
    def run(x):
        return fold((x.ctypes.data,), (), x.size)

    for count in (1, 20, 50):
        x = normal(count)
        assert run(x) == x.max()
        assert run(np.concatenate([[np.float32(np.nan)], x])) == x.max()
    assert run(np.full(3, np.nan, np.float32)) == -np.inf


SHAPE = (3, 4, 1, 5)


@pytest.mark.parametrize(
    "axes", [axes for count in range(5) for axes in itertools.combinations(range(4), count)], ids=str
)
def test_any_axes_that_take_turns_twice(axes):
    x = normal(*SHAPE)
    out = np.full([extent for axis, extent in enumerate(SHAPE) if axis not in axes], np.nan, np.float32)
    assert sum_over(x, axes, out)
    np.testing.assert_array_equal(out, x.sum(axis=axes, dtype=np.float64).astype(np.float32))


def test_axes_that_alternate_more_often_are_refused():
    out = np.full((2, 2, 2), 7, np.float32)
    assert not sum_over(normal(2, 2, 2, 2, 2), (1, 3), out)
    assert (out == 7).all()


def test_a_mean_is_divided_before_it_is_rounded():
    x, out = np.array([16777216, 1, 1], np.float32), np.empty(1, np.float32)
    sum_over(x, (0,), out, divisor=2)
    assert out[0] == np.float32(16777218 / 2)


def test_gradients_of_biases():
    planes, out = normal(3, 5, 6, 7), np.empty(5, np.float32)
    Table([sum_pixels_row(planes, out)]).run()
    np.testing.assert_array_equal(out, planes.sum(axis=(0, 2, 3), dtype=np.float64).astype(np.float32))


def test_no_rows_sum_to_zero():
    out = np.full(5, np.nan, np.float32)
    Table([sum_pixels_row(normal(0, 5, 6), out)]).run()
    assert (out == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 1024, 2500])
def test_rows_add_pairs_in_their_order(size, dtype):
    arrays = np.random.default_rng(size).standard_normal((5, size)).astype(dtype)
    expected = ((arrays[0] + arrays[1]) + (arrays[2] + arrays[3])) + arrays[4]
    Table(
        add_rows([(arrays[0], arrays[1]), (arrays[2], arrays[3]), (arrays[0], arrays[2]), (arrays[0], arrays[4])])
    ).run()
    assert np.array_equal(arrays[0], expected)
    Table(add_rows([])).run()
