"""Products on register tiles: of any shape and strides, each number one chain of fused multiply-adds."""

import numba
import numpy as np
import pytest
from llvmlite import ir

from pushgrad.worker.cpu import vectors
from pushgrad.worker.cpu.array_module import NUMPY
from pushgrad.worker.cpu.matmul import matmul
from pushgrad.worker.cpu.register_tile import register_tile
from pushgrad.worker.cpu.tile_product import LOWEST, list_rows, multiply, product


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_a_tile_has_the_same_bits_at_every_width(monkeypatch):
    a, b, begun, made = normal(1, 3, 40), normal(2, 40, 16), normal(3, 3, 16), []
    for width in (4, 8, 16):  # LLVM splits vectors that the processor lacks
        monkeypatch.setattr(vectors, "WIDTH", width)
        monkeypatch.setattr(vectors, "VECTOR", ir.VectorType(vectors.FLOAT, width))
        tile, out = register_tile(4, 16), np.empty((3, 16), np.float32)

        @numba.njit
        def run(a, b, s, c, lines, tile=tile):
            list_rows(a.ctypes.data, 40, 3, lines.ctypes.data)
            addresses = lines.ctypes.data, b.ctypes.data, s.ctypes.data, c.ctypes.data
            tile(addresses[0], 1, addresses[1], 16, addresses[2], 16, addresses[3], 16, 3, 40, np.float32(-2))

        run(a, b, begun, out, np.empty(16, np.int64))
        made.append(out)
    np.testing.assert_allclose(made[0], np.maximum(begun + a @ b, -2), rtol=1e-5, atol=1e-5)
    assert all(np.array_equal(out, made[0]) for out in made)


@pytest.mark.parametrize("rows", [1, 5, 6, 7, 13, 24, 31])
def test_products_of_any_number_of_rows(rows):
    a, b = normal(5, 9, rows), normal(6, 9, 32)
    expected = a.T.astype(np.float64) @ b

    @numba.njit
    def run(a, b, s, c, begins):
        # A transposed, B a plain matrix of two panels, C in panels.
        lines, count = np.empty(48, np.int64), a.shape[1]
        list_rows(a.ctypes.data, 1, count, lines.ctypes.data)
        start, strides = (c.ctypes.data, (16, 16 * count)) if begins else (s.ctypes.data, (0, 0))
        target, shape = (16, 16 * count), (count, 32, 9)
        multiply(
            lines.ctypes.data, count, b.ctypes.data, (32, 16), start, strides, c.ctypes.data, target, shape, LOWEST, 0
        )

    out = np.full((2, rows, 16), np.nan, np.float32)
    run(a, b, np.zeros(16, np.float32), out, False)
    np.testing.assert_allclose(np.concatenate(out, axis=1), expected, rtol=1e-5, atol=1e-5)
    run(a, b, np.zeros(16, np.float32), out, True)
    np.testing.assert_allclose(np.concatenate(out, axis=1), 2 * expected, rtol=1e-5, atol=1e-5)


# The last two are cut into parts: by the inner axis and by columns, by the inner axis and by rows.
SHAPES = [(1, 1, 1), (3, 5, 7), (6, 16, 4), (17, 33, 19), (20, 10, 300), (5, 700, 257), (700, 18, 530)]


@pytest.mark.parametrize("turned", ["", "left", "right", "both"])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_and_strides(shape, turned):
    rows, columns, depth = shape
    left, right = normal(7, rows, depth), normal(8, depth, columns)
    expected = left.astype(np.float64) @ right
    if turned in ("left", "both"):
        left = left.T.copy().T
    if turned in ("right", "both"):
        right = right.T.copy().T
    room = np.full((rows + 2, columns + 3), 7, np.float32)
    matmul(left, right, room[1:-1, 1:-2])
    np.testing.assert_allclose(room[1:-1, 1:-2], expected, rtol=1e-4, atol=1e-4)
    room[1:-1, 1:-2] = 7
    assert (room == 7).all()  # nothing was written around the product
    first = normal(9, rows)
    out = np.empty(expected.shape, np.float32)
    matmul(left, right, out, np.repeat(first[:, None], 16, axis=1), np.float32(0))
    np.testing.assert_allclose(out, np.maximum(expected + first[:, None], 0), rtol=1e-4, atol=1e-4)


def test_bits_do_not_depend_on_how_the_work_is_cut():
    left, right = normal(10, 40, 600), normal(11, 600, 70)
    whole, part, turned = (np.empty(shape, np.float32) for shape in ((40, 70), (9, 21), (70, 40)))
    matmul(left, right, whole)
    matmul(left[5:14], right[:, 20:41], part)
    assert np.array_equal(part, whole[5:14, 20:41])
    matmul(right.T, left.T, turned)
    assert np.array_equal(turned.T, whole)


def test_a_number_is_one_chain_of_fused_multiply_adds():
    left, right = normal(12, 1, 400), normal(13, 400, 1)
    out, sum_ = np.empty((1, 1), np.float32), np.float64(0)
    for a, b in zip(left[0], right[:, 0], strict=True):
        # In double precision a product of two floats is exact, and the sum is rounded once more only by chance.
        sum_ = np.float64(np.float32(np.float64(a) * np.float64(b) + sum_))
    matmul(left, right, out)
    assert out[0, 0] == np.float32(sum_)


def test_nan_comes_through_a_least():
    left, out = np.full((2, 3), np.nan, np.float32), np.empty((2, 20), np.float32)
    matmul(left, np.ones((3, 20), np.float32), out, None, np.float32(0))
    assert np.isnan(out).all()


def test_a_row_that_all_rows_begin_with():
    left, right, first, out = normal(14, 7, 30), normal(15, 30, 20), np.zeros(32, np.float32), np.empty((7, 20), "f")
    first[:20] = normal(16, 20)

    @numba.njit
    def run(a, b, s, c, room):
        s_strides, shape = (0, 16), (7, 20, 30)
        a_, b_, s_, c_ = a.ctypes.data, b.ctypes.data, s.ctypes.data, c.ctypes.data
        product(a_, (30, 1), b_, (20, 1), s_, s_strides, c_, (20, 16), shape, LOWEST, room.ctypes.data)

    run(left, right, first, out, np.empty(1 << 18, np.float32))
    np.testing.assert_allclose(out, first[:20] + left @ right, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((4, 3), (3, 5)),
        ((2, 4, 3), (3, 5)),
        ((1, 2, 4, 3), (6, 1, 3, 5)),
        ((3,), (3, 5)),
        ((0, 3), (3, 5)),
        ((2, 0), (0, 3)),
    ],
)
def test_what_operators_multiply(left, right):
    a, b = normal(17, *left), normal(18, *right)
    expected = np.matmul(a.astype(np.float64), b)
    made = NUMPY.matmul(a, b)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)
    out = np.empty(expected.T.shape, np.float32).T  # rows that are no runs of memory
    assert NUMPY.matmul(a, b, out=out) is out
    np.testing.assert_array_equal(out, made)


def test_doubles_are_multiplied_by_numpy():
    a, b = np.random.default_rng(19).standard_normal((2, 4, 4))
    np.testing.assert_array_equal(NUMPY.matmul(a, b), a @ b)
