"""Sums take in products: each is rounded once."""

import numba
import numpy as np
import pytest

from pushgrad.worker.cpu.vectors import lines_by_length

COUNT = 4096
K, L = float(np.float32(0.3)), float(np.float32(0.7))
# What is written, and what is rounded once: (x, y) -> as many results.
FORMULAS = {
    "a product on the right": (lambda x, y: (x + K * y,), lambda x, y: x + K * y),
    "taken away": (lambda x, y: (x - K * y,), lambda x, y: x - K * y),
    "on the left": (lambda x, y: (K * x + y,), lambda x, y: K * x + y),
    "on the left of a difference": (lambda x, y: (K * x - y,), lambda x, y: K * x - y),
    "of two, the right one": (lambda x, y: (K * x + L * y,), lambda x, y: rounded(K * x) + L * y),
    "of two that differ, the right one": (lambda x, y: (K * x - L * y,), lambda x, y: rounded(K * x) - L * y),
    "from a number": (lambda x, y: (1 - K * (x + y),), lambda x, y: 1 - K * rounded(x + y)),
    "of a product": (lambda x, y: (x + L * (K * y),), lambda x, y: x + L * rounded(K * y)),
    "none": (lambda x, y: (x - y + 2,), lambda x, y: rounded(x - y) + 2),
    "a product alone": (lambda x, y: (K * (x - y),), lambda x, y: K * rounded(x - y)),
}


def rounded(exact):
    return exact.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("name", FORMULAS)
def test_what_is_rounded(name):
    """In double precision products are exact, and so is nearly every sum."""
    written, expected = FORMULAS[name]
    along = lines_by_length({1: written})

    @numba.njit
    def run(source, target):
        along((0,), source.ctypes.data, COUNT, target.ctypes.data, COUNT, COUNT)

    given = np.random.default_rng(5).normal(size=(2, COUNT)).astype(np.float32)
    made = np.empty((1, COUNT), np.float32)
    run(given, made)
    np.testing.assert_array_equal(made[0], expected(*given.astype(np.float64)).astype(np.float32))
