"""Runs of memory that move together give the same array as numpy's transpose."""

import itertools

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.worker.cpu.permutation import PermutationKernel, run_length
from pushgrad.worker.cpu.registry import kernel_for
from pushgrad.worker.ops.operator import Step


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_forward_and_backward(order):
    data = np.random.default_rng(1).standard_normal((2, 3, 4, 5)).astype(np.float32)
    out = np.full([data.shape[axis] for axis in order], np.nan, np.float32)
    kernel, back = PermutationKernel(order), np.full_like(data, np.nan)
    kernel.forward(Step(), [data], [out])
    np.testing.assert_array_equal(out, data.transpose(order))
    kernel.backward(Step(), [out], [data], [out], [back])
    np.testing.assert_array_equal(back, data)


@pytest.mark.parametrize(
    ("order", "length"), [((1, 0, 2, 3), 20), ((0, 2, 1, 3), 5), ((0, 1, 3, 2), 1), ((0, 1, 2, 3), 120)]
)
def test_length_of_runs(order, length):
    assert run_length(order, (2, 3, 4, 5)) == length


def test_only_long_runs_are_worth_it():
    swap = mx.sym.SwapAxis(mx.sym.Variable("x"), dim1=0, dim2=1).heads[0][0].op
    assert isinstance(kernel_for([swap], [(2, 3, 8)], [(3, 2, 8)], np.float32), PermutationKernel)
    assert kernel_for([swap], [(2, 3, 7)], [(3, 2, 7)], np.float32) is swap
