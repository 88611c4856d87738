"""Products on register tiles: of any shape and strides, each number one chain of fused multiply-adds."""

import numba
import numpy as np
import pytest
from llvmlite import ir

from pushgrad.worker.cpu import vectors
from pushgrad.worker.cpu.matmul import matmul
from pushgrad.worker.cpu.panels import address, whole
from pushgrad.worker.cpu.register_tile import register_tile
from pushgrad.worker.cpu.tile_product import LOWEST, list_rows, multiply


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_a_tile_has_the_same_bits_at_every_width(monkeypatch):
    a, b, begun, made = normal(1, 3, 40), normal(2, 40, 16), normal(3, 3, 16), []
    for width in (4, 8, 16):  # LLVM splits vectors that the processor lacks
        monkeypatch.setattr(vectors, "WIDTH", width)
        monkeypatch.setattr(vectors, "VECTOR", ir.VectorType(vectors.FLOAT, width))
        tile, out = register_tile(4, 1), np.empty((3, 16), np.float32)

        @numba.njit
        def run(a, b, s, c, lines, offsets, tile=tile):
            list_rows(40, 3, address(lines))
            left = address(a), address(lines), address(offsets), whole(1), whole(40), whole(1)
            rows = whole(16), whole(0)
            tile(left, address(b), rows, address(s), rows, address(c), rows, 3, 16, np.float32(-2))

        run(a, b, begun, out, np.empty(16, np.int64), np.zeros(1, np.int64))
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
        lists, offsets, count, panels = np.empty(48, np.int64), np.zeros(1, np.int64), a.shape[1], (16, 16 * a.shape[1])
        list_rows(1, count, address(lists))
        left, c_ = (address(a), address(lists), address(offsets), whole(1), whole(9), count), address(c)
        start, strides = (c_, panels) if begins else (address(s), (0, 0))
        multiply(left, address(b), (32, 16), start, strides, c_, panels, (count, 32), LOWEST)

    out = np.full((2, rows, 16), np.nan, np.float32)
    run(a, b, np.zeros(16, np.float32), out, False)
    np.testing.assert_allclose(np.concatenate(out, axis=1), expected, rtol=1e-5, atol=1e-5)
    run(a, b, np.zeros(16, np.float32), out, True)
    np.testing.assert_allclose(np.concatenate(out, axis=1), 2 * expected, rtol=1e-5, atol=1e-5)


# The last two are cut into parts: by the inner axis and by columns, by the inner axis and by rows. With `right` turned,
# those of 13, 16 and 30 rows are computed by way of their transposes; without, B of 64 columns is read where it lies,
# and one of 1024 columns is not.
SHAPES = [
    (1, 1, 1), (7, 150, 300), (13, 150, 300), (16, 1100, 20), (30, 2100, 40), (40, 64, 300), (20, 1024, 9), (3, 5, 7),
    (6, 16, 4), (17, 33, 19), (20, 10, 300), (5, 700, 257), (700, 18, 530),
]  # fmt: skip


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
    matmul(left, right, out, np.repeat(first[:, None], 16, axis=1), rectified=True)
    np.testing.assert_allclose(out, np.maximum(expected + first[:, None], 0), rtol=1e-4, atol=1e-4)


def test_bits_do_not_depend_on_how_the_work_is_cut():
    left, right = normal(10, 40, 600), normal(11, 600, 70)
    whole, part, turned = (np.empty(shape, np.float32) for shape in ((40, 70), (9, 21), (70, 40)))
    matmul(left, right, whole)
    matmul(left[5:14], right[:, 20:41], part)
    assert np.array_equal(part, whole[5:14, 20:41])
    matmul(right.T, left.T, turned)
    assert np.array_equal(turned.T, whole)


@pytest.mark.parametrize("rows", [8, 9, 150])
def test_rows_that_share_places_in_the_cache(rows):
    left, right = normal(15, rows, 1024), normal(16, 1024, 40)
    expected, made = np.empty((rows, 40), np.float32), np.empty((rows, 40), np.float32)
    for depth in (10, 256, 300, 1024):
        matmul(np.pad(left, ((0, 0), (0, 7)))[:, :depth], right[:depth], expected)
        matmul(left[:, :depth], right[:depth], made)
        assert np.array_equal(made, expected)


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
    matmul(left, np.ones((3, 20), np.float32), out, rectified=True)
    assert np.isnan(out).all()


def test_a_row_that_all_rows_begin_with():
    left, right, first, out = normal(14, 7, 30), normal(15, 30, 20), np.zeros(32, np.float32), np.empty((7, 20), "f")
    first[:20] = normal(16, 20)
    matmul(left, right, out, first)
    np.testing.assert_allclose(out, first[:20] + left @ right, rtol=1e-5, atol=1e-5)


def test_several_products():
    left, rights, outs = normal(20, 7, 30), normal(21, 3, 30, 20), np.empty((3, 7, 20), np.float32)
    matmul(left, rights, outs)
    np.testing.assert_allclose(outs, left @ rights, rtol=1e-5, atol=1e-5)
    total = np.ones((7, 7), np.float32)
    matmul(outs, outs.transpose(0, 2, 1), total, adds=True)
    np.testing.assert_allclose(total, 1 + (outs @ outs.transpose(0, 2, 1)).sum(axis=0), rtol=1e-4, atol=1e-4)
    panels = np.full((3, 2, 8, 16), 7, np.float32)
    matmul(left, np.pad(rights, ((0, 0), (0, 0), (0, 12))), panels[:, :, :7])
    np.testing.assert_array_equal(panels[:, :, :7].transpose(0, 2, 1, 3).reshape(3, 7, 32)[:, :, :20], outs)
    assert (panels[:, :, 7] == 7).all()
