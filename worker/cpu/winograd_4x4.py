"""Winograd's F(4x4, 3x3) between planes and tiles: tiles of 6x6 input pixels, 4 apart, sixteen planes at once.

Number 6 i + j of all tiles is one matrix (tiles, channels), so that a convolution is 36 matrix products. With P = 3/4
and Q = 3/2, tiles are interpolated at 0, P, -P, Q, -Q and infinity (Toom, Cook; Lavin, Gray 2015): of points whose
powers are exact in binary, these leave the smallest rounding error. Its root mean square is 0.7e-6 to 1.3e-6 of the
output's for 64 to 512 channels, forward and for the weight's gradient; F(2x2, 3x3) leaves 0.2e-6 to 0.4e-6, and the
usual points 1 and 2 would leave 3e-6.

The matrices are those of winograd_points.py; this file moves pixels. Channels are along the rows of the matrices here,
unlike in winograd_2x2, so that sixteen planes side by side (see plane_lanes.py) are read and written as one run.
Matrices have room for whole groups of sixteen planes; C', F' are C and F rounded up to that.

In all functions `start` is the number of the image's first tile in the band, `rows` are the first row of tiles and the
one after the last, `pad` is the convolution's.
"""

from __future__ import annotations

import numpy as np

from ...common.jit import kernel
from ..array import Array, Shape
from .plane_lanes import LANES, add_row, copy, load, padded, read_row, store, write_row
from .winograd_points import four_to_six, pixels_to_tile, six_to_four, six_to_three, three_to_six, tile_to_pixels

SIDE = 4  # output pixels of a tile, each way
NUMBERS = 36  # of a tile
ROW = 6 * LANES  # of a tile's numbers


def tiles_shape(planes: int, count: int) -> Shape:
    """The shape of the matrices of `count` tiles of so many planes."""
    return NUMBERS, count, padded(planes)


def weight_shape(filters: int, channels: int) -> Shape:
    """The shape of the weight's tiles, which must be zeros before they are first written.

    Each matrix has one row more than is read. Without it, matrices would often lie a power of two apart, and the 36
    numbers of a tile, which are written together, would compete for the same few lines of the cache.
    """
    return NUMBERS, padded(channels) + 1, padded(filters)


def multiply(weight: Array, tiles: Array, out: Array) -> None:
    """Forward: the data's tiles (36, tiles, C') x weight (36, C' + 1, F') -> out (36, tiles, F')."""
    np.matmul(tiles, weight[:, :-1], out=out)


def multiply_for_data(weight: Array, tiles: Array, out: Array) -> None:
    """Backward: the output's tiles (36, tiles, F') x weight (36, C' + 1, F') transposed -> out (36, tiles, C')."""
    np.matmul(tiles, weight[:, :-1].swapaxes(1, 2), out=out)


def multiply_for_weight(out_tiles: Array, data_tiles: Array, out: Array) -> None:
    """Backward: the data's tiles (36, tiles, C') transposed x the output's (36, tiles, F') -> out (36, C' + 1, F')."""
    np.matmul(data_tiles.swapaxes(1, 2), out_tiles, out=out[:, :-1])
    out[:, -1] = 0  # nobody reads it, but bands are added up with it, and stale numbers might be NaN


@kernel
def weight_to_tiles(weight: Array, tiles: Array) -> None:
    """G w G^T: weight (F, C, 3, 3) -> tiles (36, C' + 1, F'), sixteen filters at a time."""
    filters, channels = weight.shape[:2]
    flat, taps = weight.reshape(-1), np.zeros(9 * LANES, np.float32)
    half, tile = np.empty(18 * LANES, np.float32), np.empty(36 * LANES, np.float32)
    for c in range(channels):
        for first in range(0, filters, LANES):
            taps[:] = 0  # for lanes behind the last filter
            for lane in range(min(LANES, filters - first)):
                source = flat[((first + lane) * channels + c) * 9 :]
                for k in range(9):
                    taps[LANES * k + lane] = source[k]
            # G along the columns, all three at once, then along each of the six rows.
            three_to_six(taps, half, 0, 0, 3 * LANES, 3 * LANES)
            for i in range(6):
                three_to_six(half, tile, 3 * LANES * i, ROW * i, LANES, LANES)
            store(tile, tiles, c, first)


@kernel
def tiles_to_weight(tiles: Array, weight: Array) -> None:
    """The adjoint of `weight_to_tiles`, G^T t G: tiles (36, C' + 1, F') -> weight (F, C, 3, 3)."""
    filters, channels = weight.shape[:2]
    flat, taps = weight.reshape(-1), np.empty(9 * LANES, np.float32)
    half, tile = np.empty(18 * LANES, np.float32), np.empty(36 * LANES, np.float32)
    for c in range(channels):
        for first in range(0, filters, LANES):
            # Along the rows first, as the adjoint takes the steps in reverse.
            load(tiles, c, first, tile)
            for i in range(6):
                six_to_three(tile, half, ROW * i, 3 * LANES * i, LANES, LANES)
            six_to_three(half, taps, 0, 0, 3 * LANES, 3 * LANES)
            for lane in range(min(LANES, filters - first)):
                target = flat[((first + lane) * channels + c) * 9 :]
                for k in range(9):
                    target[k] = taps[LANES * k + lane]


@kernel
def image_to_tiles(image: Array, tiles: Array, start: int, rows: tuple[int, int], pad: tuple[int, int]) -> None:
    """B^T d B: image (C, H, W) -> tiles (36, tiles, C')."""
    channels, height, width = image.shape
    across = (width + 2 * pad[1] + 1) // 4
    # Six rows of pixels of sixteen planes, with the left and right border, which stays zero. Each is read once.
    strip = np.zeros((6, (4 * across + 2) * LANES), np.float32)
    patch, half, tile = np.empty(6 * ROW, np.float32), np.empty(6 * ROW, np.float32), np.empty(6 * ROW, np.float32)
    for first in range(0, channels, LANES):
        for row in range(rows[0], rows[1]):
            for i in range(6):
                y = 4 * row + i - pad[0]
                if row > rows[0] and i < 2:
                    copy(strip[i + 4], strip[i])  # the last rows of the tiles above: tiles overlap by two
                elif 0 <= y < height:
                    read_row(image, first, y, strip[i, LANES * pad[1] :])
                else:
                    strip[i] = 0
            for t in range(across):
                # A tile is copied to a small array, which stays in the first-level cache for both transforms.
                for i in range(6):
                    copy(strip[i, 4 * LANES * t :], patch[ROW * i : ROW * i + ROW])
                pixels_to_tile(patch, half, 0, 0, ROW, ROW)
                for i in range(6):
                    pixels_to_tile(half, tile, ROW * i, ROW * i, LANES, LANES)
                store(tile, tiles, start + (row - rows[0]) * across + t, first)


@kernel
def add_tiles_to_image(tiles: Array, image: Array, start: int, rows: tuple[int, int], pad: tuple[int, int]) -> None:
    """The adjoint of `image_to_tiles`, B t B^T: tiles (36, tiles, C') added to image (C, H, W), where tiles overlap."""
    channels, height, width = image.shape
    across = (width + 2 * pad[1] + 1) // 4
    strip = np.zeros((6, (4 * across + 2) * LANES), np.float32)
    patch, half, tile = np.empty(6 * ROW, np.float32), np.empty(6 * ROW, np.float32), np.empty(6 * ROW, np.float32)
    for first in range(0, channels, LANES):
        strip[:] = 0
        for row in range(rows[0], rows[1]):
            for t in range(across):
                load(tiles, start + (row - rows[0]) * across + t, first, tile)
                tile_to_pixels(tile, half, 0, 0, ROW, ROW)
                for i in range(6):
                    tile_to_pixels(half, patch, ROW * i, ROW * i, LANES, LANES)
                for i in range(6):
                    place, added = strip[i, 4 * LANES * t : 4 * LANES * t + ROW], patch[ROW * i : ROW * i + ROW]
                    for x in range(ROW):
                        place[x] += added[x]
            # The last two rows also belong to the tiles below: they are passed on, and added to the image when ready.
            done = 4 if row + 1 < rows[1] else 6
            for i in range(done):
                y = 4 * row + i - pad[0]
                if 0 <= y < height:
                    add_row(strip[i, LANES * pad[1] :], image, first, y)
            copy(strip[4], strip[0])  # the first two rows of the tiles below
            copy(strip[5], strip[1])
            strip[2:] = 0


@kernel
def tiles_to_plane(tiles: Array, plane: Array, start: int, rows: tuple[int, int]) -> None:
    """A^T m A: tiles (36, tiles, F') -> plane (F, OH, OW), whose last rows or columns may take part of a tile."""
    filters, height, width = plane.shape
    across = (width + 3) // 4
    strip = np.empty((4, 4 * across * LANES), np.float32)
    patch, half, tile = (
        np.empty(4 * 4 * LANES, np.float32),
        np.empty(4 * ROW, np.float32),
        np.empty(6 * ROW, np.float32),
    )
    for first in range(0, filters, LANES):
        for row in range(rows[0], rows[1]):
            for t in range(across):
                load(tiles, start + (row - rows[0]) * across + t, first, tile)
                six_to_four(tile, half, 0, 0, ROW, ROW)
                for i in range(4):
                    six_to_four(half, patch, ROW * i, 4 * LANES * i, LANES, LANES)
                    copy(patch[4 * LANES * i :], strip[i, 4 * LANES * t : 4 * LANES * (t + 1)])
            for i in range(min(4, height - 4 * row)):
                write_row(strip[i], plane, first, 4 * row + i)


@kernel
def plane_to_tiles(plane: Array, tiles: Array, start: int, rows: tuple[int, int]) -> None:
    """The adjoint of `tiles_to_plane`, A g A^T: plane (F, OH, OW) -> tiles (36, tiles, F'), zeros beyond the edge."""
    filters, height, width = plane.shape
    across = (width + 3) // 4
    strip = np.zeros((4, 4 * across * LANES), np.float32)
    patch, half, tile = (
        np.empty(4 * 4 * LANES, np.float32),
        np.empty(4 * ROW, np.float32),
        np.empty(6 * ROW, np.float32),
    )
    for first in range(0, filters, LANES):
        for row in range(rows[0], rows[1]):
            for i in range(4):
                if 4 * row + i < height:
                    read_row(plane, first, 4 * row + i, strip[i])
                else:
                    strip[i] = 0
            for t in range(across):
                for i in range(4):
                    copy(strip[i, 4 * LANES * t :], patch[4 * LANES * i : 4 * LANES * (i + 1)])
                    four_to_six(patch, half, 4 * LANES * i, ROW * i, LANES, LANES)
                four_to_six(half, tile, 0, 0, ROW, ROW)
                store(tile, tiles, start + (row - rows[0]) * across + t, first)
