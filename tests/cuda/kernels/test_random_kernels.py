"""Dropout, and random numbers for others: the bits of worker/ops/philox.py."""

import numpy as np
import pytest

from pushgrad.worker.cuda.kernels.dropout import DropoutKernel
from pushgrad.worker.cuda.random_bits import random_bits
from pushgrad.worker.ops.dropout import Dropout


@pytest.mark.parametrize("shape", [(5, 7), (8, 16), (3,), (2, 3, 5, 1), (0, 4), (3, 1000)])
@pytest.mark.parametrize("p", [0.5, 0.1, 0.999, 1e-12])
@pytest.mark.parametrize("first_row", [0, 3, 1 << 31])
def test_dropout(bench, shape, p, first_row):
    bench.at(seed=7, fit=2, number=(1 << 32) + 11, node=(1 << 35) + 99, first_row=first_row)
    op = Dropout(p=p)
    data = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    got, want = bench.both(bench.make(DropoutKernel, op), op, [data])
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1][0], want[1][0])


def test_a_dropped_nan_has_no_say(bench):
    op, data = Dropout(p=0.5), np.full((4, 8), np.nan, np.float32)
    got, want = bench.both(bench.make(DropoutKernel, op), op, [data])
    np.testing.assert_array_equal(got[0], want[0])
    assert (got[0] == 0).any() and np.isnan(got[0]).any()


@pytest.mark.parametrize("op", [Dropout(p=0.0), Dropout(p=0.5), Dropout(p=0.5, mode="always")])
def test_when_not_training(bench, op):
    bench.step.is_train = bench.plain_step.is_train = False
    data = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
    got, want = bench.both(bench.make(DropoutKernel, op), op, [data])
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1][0], want[1][0])


@pytest.mark.parametrize("first, count", [(0, 1), (0, 4096), (3, 6), (5, 0), (2, 2), ((1 << 34) + 1, 9)])
def test_random_bits(bench, first, count):
    bench.at(seed=-3, fit=1, number=12, node=4)
    with bench.device.active():
        got = bench.fetch(random_bits(bench.device, bench.step, first, count))
    assert got.dtype == np.uint32
    np.testing.assert_array_equal(got, bench.plain_step.random_stream().bits(first, count))


def test_the_step_is_read_on_the_device(bench):
    kernel, data = bench.make(DropoutKernel, Dropout(p=0.5)), np.ones((4, 64), np.float32)
    found = []
    for number in (1, 2, 1):
        bench.at(number=number)
        found.append(bench.on_device(kernel, [data], data.shape, data)[0])
    assert (found[0] == found[2]).all() and (found[0] != found[1]).any()
