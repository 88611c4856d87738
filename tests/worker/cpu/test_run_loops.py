"""Loops over runs of floats: what they add up and write, and that they leave alone what lies behind a run."""

import numpy as np
import pytest

from pushgrad.common.jit import kernel
from pushgrad.worker.cpu.panels import address
from pushgrad.worker.cpu.plane_lanes import LANES
from pushgrad.worker.cpu.run_loops import fill_lanes, mapped_runs, sum_of_lanes, summed_runs

PLACES = [1, 7, 16, 17, 31, 32, 49]
ROWS, STRIDE, START = 3, 70, 5


def sum_and_product(sums, x, y, factor):
    return sums[0] + x.double(), (y * factor).double().fma(x.double(), sums[1])


_products = summed_runs(sum_and_product, 2)
_difference = mapped_runs(lambda x, y, factor, other: x * factor - y * other)


@kernel
def add_products(x, y, table, sums, places, ahead):
    at = 4 * START
    _products((address(x) + at, address(y) + at), address(table), address(sums), ROWS, STRIDE, places, ahead)


@kernel
def write_difference(x, y, table, out, places, ahead):
    at = 4 * START
    _difference((address(x) + at, address(y) + at), address(table), address(out) + at, ROWS, STRIDE, places, ahead)


@kernel
def filled_and_added(line, sums, number):
    fill_lanes(address(line), np.float32(number))
    return sum_of_lanes(address(sums))


def given(places):
    """Two matrices that are NaN outside of the run, and a table."""
    rng = np.random.default_rng(places)
    x, y = np.full((2, ROWS, STRIDE), np.nan, np.float32)
    for matrix in (x, y):
        matrix[:, START : START + places] = rng.integers(-8, 9, (ROWS, places))
    return x, y, rng.integers(1, 5, (2, LANES)).astype(np.float32)


@pytest.mark.parametrize("ahead", [0, 1, ROWS])
@pytest.mark.parametrize("places", PLACES)
def test_each_lane_has_its_places_of_all_rows(places, ahead):
    x, y, table = given(places)
    sums = np.full((2, LANES), np.nan)
    add_products(x, y, table, sums, places, ahead)
    expected = np.zeros((2, LANES))
    for k in range(places):
        column = slice(None), START + k
        expected[:, k % LANES] += x[column].sum(), (x[column] * y[column]).sum() * table[0, k % LANES]
    np.testing.assert_array_equal(sums, expected)  # small whole numbers: exact in any order


@pytest.mark.parametrize("ahead", [0, 1, ROWS])
@pytest.mark.parametrize("places", PLACES)
def test_nothing_is_written_behind_the_places_of_a_run(places, ahead):
    x, y, table = given(places)
    out = np.full((ROWS, STRIDE), -1, np.float32)
    write_difference(x, y, table, out, places, ahead)
    run, lanes = slice(START, START + places), np.arange(places) % LANES
    np.testing.assert_array_equal(out[:, run], x[:, run] * table[0, lanes] - y[:, run] * table[1, lanes])
    out[:, run] = -1
    assert (out == -1).all()


def test_a_line_of_lanes_is_filled_and_added_up():
    line, sums = np.zeros(LANES + 1, np.float32), np.arange(LANES, dtype=np.float64)
    assert filled_and_added(line, sums, 2.5) == sums.sum()
    assert (line[:LANES] == 2.5).all() and line[LANES] == 0
