"""Tiles of Winograd's F(2x2, 3x3): planes to overlapping tiles of 4x4, tiles of 2x2 to planes, and their adjoints.

Lavin, Gray: "Fast Algorithms for Convolutional Neural Networks" (2015), with the interpolation points 0, 1, -1 and
infinity. A tile has 16 numbers; number 4 i + j of all tiles of all channels is one matrix (channels, tiles), so that a
convolution is 16 matrix products. In a band, tiles stand image by image and row by row; `start` is the first tile of
this image, `rows` are the first row of tiles and the one after the last, `pad` is the convolution's.

The transforms of weights run along all channels of a filter, those of the output along all tiles of an image in the
band, as the rows of a small plane are too short to be vectorised. Each such loop writes one line only: if it wrote
several, LLVM would have to assume that they overlap.
"""

from __future__ import annotations

import numpy as np

from ...common.jit import kernel
from ..array import Array, Shape
from .strided import read_strided

SIDE = 2  # output pixels of a tile, each way
NUMBERS = 16  # of a tile

HALF = np.float32(0.5)


def tiles_shape(planes: int, count: int) -> Shape:
    """The shape of the matrices of `count` tiles of so many planes."""
    return NUMBERS, planes, count


def weight_shape(filters: int, channels: int) -> Shape:
    """The shape of the weight's tiles."""
    return NUMBERS, filters, channels


def multiply(weight: Array, tiles: Array, out: Array) -> None:
    """Forward: weight (16, F, C) x the data's tiles (16, C, tiles) -> out (16, F, tiles)."""
    np.matmul(weight, tiles, out=out)


def multiply_for_data(weight: Array, tiles: Array, out: Array) -> None:
    """Backward: weight (16, F, C) transposed x the output's tiles (16, F, tiles) -> out (16, C, tiles)."""
    np.matmul(weight.swapaxes(1, 2), tiles, out=out)


def multiply_for_weight(out_tiles: Array, data_tiles: Array, out: Array) -> None:
    """Backward: the output's tiles (16, F, tiles) x the data's (16, C, tiles) transposed -> out (16, F, C)."""
    np.matmul(out_tiles, data_tiles.swapaxes(1, 2), out=out)


@kernel
def weight_to_tiles(weight: Array, tiles: Array) -> None:
    """G w G^T: weight (F, C, 3, 3) -> tiles (16, F, C)."""
    channels = weight.shape[1]
    # A tap of all channels becomes one line first: in the weight, neighbours in memory are taps, of which there are 9.
    taps = np.empty((3, 3, channels), np.float32)
    rows = np.empty((4, 3, channels), np.float32)
    for f in range(len(weight)):
        for k in range(3):
            for m in range(3):
                line = taps[k, m]
                for c in range(channels):
                    line[c] = weight[f, c, k, m]
        # G along the columns of the taps, then along the rows of the result.
        for m in range(3):
            _three_to_four(taps[0, m], taps[1, m], taps[2, m], rows[0, m], rows[1, m], rows[2, m], rows[3, m])
        for i in range(4):
            t0, t1, t2, t3 = tiles[4 * i, f], tiles[4 * i + 1, f], tiles[4 * i + 2, f], tiles[4 * i + 3, f]
            _three_to_four(rows[i, 0], rows[i, 1], rows[i, 2], t0, t1, t2, t3)


@kernel
def _three_to_four(a: Array, b: Array, c: Array, t0: Array, t1: Array, t2: Array, t3: Array) -> None:
    """G times (a, b, c): the values of the polynomial a + b p + c p^2 at the points, halved at 1 and -1."""
    for x in range(t0.size):
        t0[x] = a[x]
    for x in range(t1.size):
        t1[x] = HALF * (a[x] + b[x] + c[x])
    for x in range(t2.size):
        t2[x] = HALF * (a[x] - b[x] + c[x])
    for x in range(t3.size):
        t3[x] = c[x]


@kernel
def tiles_to_weight(tiles: Array, weight: Array) -> None:
    """The adjoint of `weight_to_tiles`, G^T t G: tiles (16, F, C) -> weight (F, C, 3, 3)."""
    channels = weight.shape[1]
    columns = np.empty((4, 3, channels), np.float32)
    taps = np.empty((3, 3, channels), np.float32)
    for f in range(len(weight)):
        # The rows first, as the adjoint takes the steps in reverse.
        for i in range(4):
            t0, t1, t2, t3 = tiles[4 * i, f], tiles[4 * i + 1, f], tiles[4 * i + 2, f], tiles[4 * i + 3, f]
            _four_to_three(t0, t1, t2, t3, columns[i, 0], columns[i, 1], columns[i, 2])
        for m in range(3):
            c0, c1, c2, c3 = columns[0, m], columns[1, m], columns[2, m], columns[3, m]
            _four_to_three(c0, c1, c2, c3, taps[0, m], taps[1, m], taps[2, m])
        for c in range(channels):
            for k in range(3):
                for m in range(3):
                    weight[f, c, k, m] = taps[k, m, c]


@kernel
def _four_to_three(t0: Array, t1: Array, t2: Array, t3: Array, a: Array, b: Array, c: Array) -> None:
    """G^T times (t0, t1, t2, t3)."""
    for x in range(a.size):
        a[x] = t0[x] + HALF * (t1[x] + t2[x])
    for x in range(b.size):
        b[x] = HALF * (t1[x] - t2[x])
    for x in range(c.size):
        c[x] = HALF * (t1[x] + t2[x]) + t3[x]


@kernel
def image_to_tiles(image: Array, tiles: Array, start: int, rows: tuple[int, int], pad: tuple[int, int]) -> None:
    """B^T d B: image (C, H, W) -> tiles [start, ...) of (16, C, tiles), those of the rows of tiles in `rows`."""
    channels, height, width = image.shape
    across = (width + 2 * pad[1] - 1) // 2
    border = np.zeros(width, np.float32)
    # `lines` is zeroed once: pixels go to [pad, pad + seen), and what lies beside them is the left and right border.
    lines = np.zeros((4, 2 * across + 2), np.float32)
    seen = min(width, 2 * across + 2 - pad[1])
    for c in range(channels):
        for row in range(rows[0], rows[1]):
            # B^T along the columns, for the four rows of pixels of a row of tiles. Two of them come again with the next
            # row of tiles; they are read twice, from the cache.
            y = 2 * row - pad[0]
            r0 = image[c, y] if 0 <= y < height else border
            r1 = image[c, y + 1] if 0 <= y + 1 < height else border
            r2 = image[c, y + 2] if 0 <= y + 2 < height else border
            r3 = image[c, y + 3] if 0 <= y + 3 < height else border
            l0, l1, l2, l3 = lines[0, pad[1] :], lines[1, pad[1] :], lines[2, pad[1] :], lines[3, pad[1] :]
            for x in range(seen):
                a, b, d, e = r0[x], r1[x], r2[x], r3[x]
                l0[x] = a - d
                l1[x] = b + d
                l2[x] = d - b
                l3[x] = b - e
            first = start + (row - rows[0]) * across
            for i in range(4):
                _line_to_tiles(lines[i], tiles[4 * i : 4 * i + 4, c, first : first + across])


@kernel
def _line_to_tiles(line: Array, tiles: Array) -> None:
    """B^T along a row, for tiles 2 pixels apart, of a line that has been through B^T along the columns."""
    t0, t1, t2, t3 = tiles[0], tiles[1], tiles[2], tiles[3]
    for t in range(t0.size):
        a, b, d, e = line[2 * t], line[2 * t + 1], line[2 * t + 2], line[2 * t + 3]
        t0[t] = a - d
        t1[t] = b + d
        t2[t] = d - b
        t3[t] = b - e


@kernel
def add_tiles_to_image(tiles: Array, image: Array, start: int, rows: tuple[int, int], pad: tuple[int, int]) -> None:
    """The adjoint of `image_to_tiles`, B t B^T: tiles (16, C, tiles) added to image (C, H, W), where tiles overlap."""
    channels, height, width = image.shape
    across = (width + 2 * pad[1] - 1) // 2
    lines = np.empty((4, 2 * across + 2), np.float32)
    seen = min(width, 2 * across + 2 - pad[1])
    for c in range(channels):
        for row in range(rows[0], rows[1]):
            first = start + (row - rows[0]) * across
            for i in range(4):
                _tiles_to_line(tiles[4 * i : 4 * i + 4, c, first : first + across], lines[i])
            l0, l1, l2, l3 = lines[0, pad[1] :], lines[1, pad[1] :], lines[2, pad[1] :], lines[3, pad[1] :]
            # B along the columns. What falls on the border is the gradient of a zero, and dropped.
            y = 2 * row - pad[0]
            if 0 <= y < height:
                target = image[c, y]
                for x in range(seen):
                    target[x] += l0[x]
            if 0 <= y + 1 < height:
                target = image[c, y + 1]
                for x in range(seen):
                    target[x] += l1[x] - l2[x] + l3[x]
            if 0 <= y + 2 < height:
                target = image[c, y + 2]
                for x in range(seen):
                    target[x] += l1[x] + l2[x] - l0[x]
            if 0 <= y + 3 < height:
                target = image[c, y + 3]
                for x in range(seen):
                    target[x] -= l3[x]


@kernel
def _tiles_to_line(tiles: Array, line: Array) -> None:
    """B along a row: pixels 2 t and 2 t + 1 are the first two of tile t and the last two of tile t - 1."""
    t0, t1, t2, t3 = tiles[0], tiles[1], tiles[2], tiles[3]
    last = t0.size - 1
    line[0], line[1] = t0[0], t1[0] - t2[0] + t3[0]
    for t in range(1, t0.size):
        line[2 * t] = t0[t] + (t1[t - 1] + t2[t - 1] - t0[t - 1])
        line[2 * t + 1] = (t1[t] - t2[t] + t3[t]) - t3[t - 1]
    line[2 * last + 2], line[2 * last + 3] = t1[last] + t2[last] - t0[last], -t3[last]


@kernel
def tiles_to_plane(tiles: Array, plane: Array, start: int, rows: tuple[int, int]) -> None:
    """A^T m A: tiles (16, F, tiles) -> plane (F, OH, OW), whose odd last row or column takes half a tile."""
    filters, height, width = plane.shape
    across = (width + 1) // 2
    count = (rows[1] - rows[0]) * across
    sums = np.empty((4, 2, count), np.float32)
    quarters = np.empty((2, 2, count), np.float32)
    line = np.empty(2 * across, np.float32)
    # quarters[upper or lower, left or right]: the pixels of all tiles by their place in the tile of 2x2.
    for f in range(filters):
        for i in range(4):
            t0, t1 = tiles[4 * i, f, start : start + count], tiles[4 * i + 1, f, start : start + count]
            t2, t3 = tiles[4 * i + 2, f, start : start + count], tiles[4 * i + 3, f, start : start + count]
            _four_to_pair(t0, t1, t2, t3, sums[i, 0], sums[i, 1])
        for side in range(2):
            s0, s1, s2, s3 = sums[0, side], sums[1, side], sums[2, side], sums[3, side]
            _four_to_pair(s0, s1, s2, s3, quarters[0, side], quarters[1, side])
        for y in range(2 * rows[0], min(2 * rows[1], height)):
            place = (y // 2 - rows[0]) * across
            left, right = quarters[y % 2, 0, place : place + across], quarters[y % 2, 1, place : place + across]
            # Through `line`, which has room for the half of the last tile that an odd width leaves out.
            for t in range(across):
                line[2 * t] = left[t]
                line[2 * t + 1] = right[t]
            target = plane[f, y]
            for x in range(width):
                target[x] = line[x]


@kernel
def _four_to_pair(t0: Array, t1: Array, t2: Array, t3: Array, a: Array, b: Array) -> None:
    """A^T times (t0, t1, t2, t3)."""
    for x in range(a.size):
        a[x] = t0[x] + t1[x] + t2[x]
    for x in range(b.size):
        b[x] = t1[x] - t2[x] - t3[x]


@kernel
def plane_to_tiles(plane: Array, tiles: Array, start: int, rows: tuple[int, int]) -> None:
    """The adjoint of `tiles_to_plane`, A g A^T: plane (F, OH, OW) -> tiles (16, F, tiles), zeros beyond an odd edge."""
    filters, height, width = plane.shape
    across = (width + 1) // 2
    count = (rows[1] - rows[0]) * across
    # Zeros for good where an odd height leaves out the lower half of the last tiles, as the same places are written for
    # each filter; and in `line` for the place behind an odd width.
    quarters = np.zeros((2, 2, count), np.float32)
    lines = np.empty((4, 2, count), np.float32)
    line = np.zeros(2 * across, np.float32)
    for f in range(filters):
        for y in range(2 * rows[0], min(2 * rows[1], height)):
            place = (y // 2 - rows[0]) * across
            source = plane[f, y]
            for x in range(width):
                line[x] = source[x]
            read_strided(line, quarters[y % 2, 0, place : place + across], 2)
            read_strided(line[1:], quarters[y % 2, 1, place : place + across], 2)
        for side in range(2):
            upper, lower = quarters[0, side], quarters[1, side]
            _pair_to_four(upper, lower, lines[0, side], lines[1, side], lines[2, side], lines[3, side])
        for i in range(4):
            t0, t1 = tiles[4 * i, f, start : start + count], tiles[4 * i + 1, f, start : start + count]
            t2, t3 = tiles[4 * i + 2, f, start : start + count], tiles[4 * i + 3, f, start : start + count]
            _pair_to_four(lines[i, 0], lines[i, 1], t0, t1, t2, t3)


@kernel
def _pair_to_four(a: Array, b: Array, t0: Array, t1: Array, t2: Array, t3: Array) -> None:
    """A times (a, b)."""
    for x in range(t0.size):
        t0[x] = a[x]
    for x in range(t1.size):
        t1[x] = a[x] + b[x]
    for x in range(t2.size):
        t2[x] = a[x] - b[x]
    for x in range(t3.size):
        t3[x] = -b[x]
