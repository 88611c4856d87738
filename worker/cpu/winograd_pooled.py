"""Winograd's tiles to max-pooled planes and back, while a tile is in the first-level cache, for windows of 2 x 2.

Windows lie side by side, and tiles are 2 or 4 pixels wide, so no window is cut. As in pixel_pooling.py a NaN is
larger than any number, and the first of equal ones wins. `winner` (tiles, F' / 16, windows of a tile, 16) keeps the
place of each maximum in its window, 0 to 3, as a float. Other names are those of winograd_pixels.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.jit import kernel
from ..array import Array
from .lane_rows import read_row, write_row
from .plane_lanes import LANES
from .vectors import lines
from .winograd_pixels import block_to_tile, tile_to_block


def _larger_of_two(left: Any, right: Any) -> tuple[Any, ...]:
    wins = right.beats(left)
    return wins.choose(right, left), wins.choose(1, 0)


def _larger_of_rows(top: Any, top_place: Any, bottom: Any, bottom_place: Any) -> tuple[Any, ...]:
    wins = bottom.beats(top)
    return wins.choose(bottom, top), wins.choose(bottom_place + 2, top_place)


def _to_top(grad: Any, place: Any) -> tuple[Any, ...]:
    return place.equals(0).choose(grad, 0), place.equals(1).choose(grad, 0)


def _to_bottom(grad: Any, place: Any) -> tuple[Any, ...]:
    return place.equals(2).choose(grad, 0), place.equals(3).choose(grad, 0)


_pool_across, _pool_down = lines(_larger_of_two), lines(_larger_of_rows)
_unpool_top, _unpool_bottom = lines(_to_top), lines(_to_bottom)


@kernel
def tiles_to_pooled(
    form: tuple[int, ...], tiles: Array, pooled: Array, winner: Array, start: int, rows: tuple[int, int], across: int
) -> None:
    """A^T m A, then each window's maximum: tiles (T^2, tiles, F') -> pooled (F, PH, PW) and winner, of an image."""
    filters, height = pooled.shape[:2]
    windows, line = form[0] // 2, form[0] * LANES
    block, half = np.empty(form[0] * line, np.float32), np.empty(len(form) * line, np.float32)
    pairs, best = np.empty(4 * LANES, np.float32), np.empty(2 * LANES, np.float32)
    strip = np.empty((windows, across * windows * LANES), np.float32)
    for first in range(0, filters, LANES):
        for row in range(rows[0], rows[1]):
            for t in range(across):
                number = start + (row - rows[0]) * across + t
                tile_to_block(form, tiles, number, first, half, block.ctypes.data, line)
                kept = winner[row * across + t, first // LANES]
                for y in range(windows):
                    for x in range(windows):
                        pixel = block.ctypes.data + 4 * (2 * y * line + 2 * x * LANES)
                        _pool_across(pixel, LANES, pairs.ctypes.data, LANES, LANES)
                        _pool_across(pixel + 4 * line, LANES, pairs.ctypes.data + 8 * LANES, LANES, LANES)
                        _pool_down(pairs.ctypes.data, LANES, best.ctypes.data, LANES, LANES)
                        for lane in range(LANES):
                            strip[y, (t * windows + x) * LANES + lane] = best[lane]
                            kept[y * windows + x, lane] = best[LANES + lane]
            for y in range(min(windows, height - windows * row)):
                write_row(strip[y], pooled, first, windows * row + y)


@kernel
def pooled_to_tiles(
    form: tuple[int, ...], pooled: Array, winner: Array, tiles: Array, start: int, rows: tuple[int, int], across: int
) -> None:
    """The adjoint of `tiles_to_pooled`: the gradient pooled (F, PH, PW) -> tiles (T^2, tiles, F')."""
    filters, height = pooled.shape[:2]
    windows, line = form[0] // 2, form[0] * LANES
    block, half = np.empty(form[0] * line, np.float32), np.empty(len(form) * line, np.float32)
    # Windows that the plane's edge cuts are not pooled: their gradient stays zero.
    strip = np.zeros((windows, across * windows * LANES), np.float32)
    for first in range(0, filters, LANES):
        for row in range(rows[0], rows[1]):
            for y in range(windows):
                if windows * row + y < height:
                    read_row(pooled, first, windows * row + y, strip[y])
                else:
                    strip[y] = 0
            for t in range(across):
                kept = winner[row * across + t, first // LANES]
                for y in range(windows):
                    for x in range(windows):
                        grad = strip.ctypes.data + 4 * (y * strip.shape[1] + (t * windows + x) * LANES)
                        apart = (kept.ctypes.data + 4 * (y * windows + x) * LANES - grad) // 4
                        pixel = block.ctypes.data + 4 * (2 * y * line + 2 * x * LANES)
                        _unpool_top(grad, apart, pixel, LANES, LANES)
                        _unpool_bottom(grad, apart, pixel + 4 * line, LANES, LANES)
                number = start + (row - rows[0]) * across + t
                block_to_tile(form, block.ctypes.data, line, half, tiles, number, first)
