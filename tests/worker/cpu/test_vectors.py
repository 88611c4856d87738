"""Vector instructions that kernels are built of: what they compute, and that it does not depend on their width."""

import numba
import numpy as np
import pytest
from llvmlite import ir

from pushgrad.worker.cpu import vectors

WIDTHS = [4, 8, 16]  # LLVM splits vectors that the processor lacks


@pytest.fixture
def of_width(monkeypatch):
    def choose(width):
        monkeypatch.setattr(vectors, "WIDTH", width)
        monkeypatch.setattr(vectors, "VECTOR", ir.VectorType(vectors.FLOAT, width))

    return choose


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def some_of_each(a, b, c):
    larger = b.beats(a)
    return 2 - a * 0.3 + b, (a - b) * c, larger.choose(b, a), c.equals(1).choose(a, 0), 1 + c


def test_lines_have_the_same_bits_at_every_width(of_width):
    given = np.stack([normal(3, 32), normal(4, 32), np.arange(32, dtype=np.float32) % 3])
    given[0, 5] = given[1, 6] = np.nan
    given[1, 7] = given[0, 7]
    made = []
    for width in WIDTHS:
        of_width(width)
        transform, out = vectors.lines(some_of_each), np.empty((5, 32), np.float32)

        @numba.njit
        def run(given, out, transform=transform):
            transform(given.ctypes.data, 32, out.ctypes.data, 32, 32)

        run(given, out)
        made.append(out)
    a, b, c = given
    expected = [2 - a * np.float32(0.3) + b, (a - b) * c, np.maximum(a, b), np.where(c == 1, a, 0), 1 + c]
    for out in made:
        assert np.array_equal(out, np.stack(expected), equal_nan=True)


@pytest.mark.parametrize(("features", "width"), [("+fma", 4), ("+avx,+avx2", 8), ("+avx,+avx512f", 16), ("-avx", 4)])
def test_the_width_is_that_of_the_processor_that_numba_compiles_for(features, width, monkeypatch):
    monkeypatch.setattr(numba.config, "CPU_FEATURES", features)
    assert vectors._width() == width
