"""Vector instructions that kernels are built of: what they compute, and that it does not depend on their width."""

import numba
import numpy as np
import pytest
from llvmlite import ir

from pushgrad.worker.cpu import vectors
from pushgrad.worker.cpu.tile_product import multiply

WIDTHS = [4, 8, 16]  # LLVM splits vectors that the processor lacks


@pytest.fixture
def of_width(monkeypatch):
    def choose(width):
        monkeypatch.setattr(vectors, "WIDTH", width)
        monkeypatch.setattr(vectors, "VECTOR", ir.VectorType(vectors.FLOAT, width))

    return choose


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_a_product_has_the_same_bits_at_every_width(of_width):
    a, b, made = normal(1, 3, 40), normal(2, 40, 16), []
    for width in WIDTHS:
        of_width(width)
        for adds in (False, True):
            tile, out = vectors.register_tile(3, 16 // width, adds), np.ones((3, 16), np.float32)

            @numba.njit
            def run(a, b, c, tile=tile):
                tile(a.ctypes.data, 40, 1, b.ctypes.data, 16, c.ctypes.data, 16, 40)

            run(a, b, out)
            made.append(out - 1 if adds else out)
    np.testing.assert_allclose(made[0], a @ b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made[1], a @ b, rtol=1e-5, atol=1e-5)
    for written, added in zip(made[::2], made[1::2], strict=True):
        assert np.array_equal(written, made[0]) and np.array_equal(added, made[1])


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


@pytest.mark.parametrize("rows", [1, 5, 6, 7, 13, 24, 31])
def test_products_of_any_number_of_rows(rows):
    a, b = normal(5, 9, rows), normal(6, 9, 32)
    expected = a.T.astype(np.float64) @ b

    @numba.njit
    def run(a, b, c, adds):
        # A transposed, B a plain matrix of two panels, C in panels.
        apart, shape = (16, 16 * a.shape[1]), (a.shape[1], 2, 9)
        multiply(a.ctypes.data, (1, a.shape[1]), b.ctypes.data, 32, c.ctypes.data, 16, apart, shape, adds)

    out = np.full((2, rows, 16), np.nan, np.float32)
    run(a, b, out, False)
    np.testing.assert_allclose(np.concatenate(out, axis=1), expected, rtol=1e-5, atol=1e-5)
    run(a, b, out, True)
    np.testing.assert_allclose(np.concatenate(out, axis=1), 2 * expected, rtol=1e-5, atol=1e-5)
