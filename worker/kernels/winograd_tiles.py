"""Tiles of Winograd's F(2x2, 3x3): planes to overlapping tiles of 4x4, tiles of 2x2 to planes, and their adjoints.

Lavin, Gray: "Fast Algorithms for Convolutional Neural Networks" (2015). A tile has 16 numbers; number 4 i + j of all
tiles of all channels is one matrix (channels, tiles), so that a convolution is 16 matrix products. In a band, tiles
stand image by image and row by row; `start` is the first of this image, `rows` are the rows of tiles to be worked off.
"""

from __future__ import annotations

import numpy as np

from ...common.jit import kernel
from ..array import Array


@kernel
def weight_to_tiles(weight: Array, tiles: Array) -> None:
    """G w G^T: (F, C, 3, 3) -> (16, F, C)."""
    half = np.float32(0.5)
    rows = np.empty((4, 3), np.float32)
    for f in range(weight.shape[0]):
        for c in range(weight.shape[1]):
            for k in range(3):
                a, b, d = weight[f, c, 0, k], weight[f, c, 1, k], weight[f, c, 2, k]
                rows[0, k], rows[3, k] = a, d
                rows[1, k], rows[2, k] = half * (a + b + d), half * (a - b + d)
            for i in range(4):
                a, b, d = rows[i, 0], rows[i, 1], rows[i, 2]
                tiles[4 * i, f, c], tiles[4 * i + 3, f, c] = a, d
                tiles[4 * i + 1, f, c], tiles[4 * i + 2, f, c] = half * (a + b + d), half * (a - b + d)


@kernel
def tiles_to_weight(tiles: Array, weight: Array) -> None:
    """The adjoint of `weight_to_tiles`: G^T t G."""
    half = np.float32(0.5)
    rows = np.empty((3, 4), np.float32)
    for f in range(weight.shape[0]):
        for c in range(weight.shape[1]):
            for j in range(4):
                a, b = tiles[j, f, c], half * tiles[4 + j, f, c]
                d, e = half * tiles[8 + j, f, c], tiles[12 + j, f, c]
                rows[0, j], rows[1, j], rows[2, j] = a + b + d, b - d, b + d + e
            for k in range(3):
                a, b, d, e = rows[k, 0], half * rows[k, 1], half * rows[k, 2], rows[k, 3]
                weight[f, c, k, 0], weight[f, c, k, 1], weight[f, c, k, 2] = a + b + d, b - d, b + d + e


@kernel
def image_to_tiles(image: Array, tiles: Array, start: int, rows: tuple[int, int], pad: tuple[int, int]) -> None:
    """B^T d B: image (C, H, W) -> tiles (16, C, any)."""
    channels, height, width = image.shape
    across = (width + 2 * pad[1] - 1) // 2
    border = np.zeros(width, np.float32)
    lines = np.zeros((4, 2 * across + 2), np.float32)
    seen = min(width, 2 * across + 2 - pad[1])
    for c in range(channels):
        for row in range(rows[0], rows[1]):
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
    t0, t1, t2, t3 = tiles[0], tiles[1], tiles[2], tiles[3]
    for t in range(t0.size):
        a, b, d, e = line[2 * t], line[2 * t + 1], line[2 * t + 2], line[2 * t + 3]
        t0[t] = a - d
        t1[t] = b + d
        t2[t] = d - b
        t3[t] = b - e


@kernel
def add_tiles_to_image(tiles: Array, image: Array, start: int, rows: tuple[int, int], pad: tuple[int, int]) -> None:
    """The adjoint of `image_to_tiles`: B t B^T, added where tiles overlap."""
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
    t0, t1, t2, t3 = tiles[0], tiles[1], tiles[2], tiles[3]
    last = t0.size - 1
    line[0], line[1] = t0[0], t1[0] - t2[0] + t3[0]
    for t in range(1, t0.size):
        line[2 * t] = t0[t] + (t1[t - 1] + t2[t - 1] - t0[t - 1])
        line[2 * t + 1] = (t1[t] - t2[t] + t3[t]) - t3[t - 1]
    line[2 * last + 2], line[2 * last + 3] = t1[last] + t2[last] - t0[last], -t3[last]


@kernel
def tiles_to_plane(tiles: Array, plane: Array, start: int, rows: tuple[int, int]) -> None:
    """A^T m A: tiles (16, F, any) -> plane (F, OH, OW), whose odd last row or column takes half a tile."""
    filters, height, width = plane.shape
    across = (width + 1) // 2
    sums = np.empty((4, 2, across), np.float32)
    upper, lower = np.empty(2 * across, np.float32), np.empty(2 * across, np.float32)
    for f in range(filters):
        for row in range(rows[0], rows[1]):
            first = start + (row - rows[0]) * across
            for i in range(4):
                _across(tiles[4 * i : 4 * i + 4, f, first : first + across], sums[i, 0], sums[i, 1])
            for side in range(2):
                s0, s1, s2, s3 = sums[0, side], sums[1, side], sums[2, side], sums[3, side]
                for t in range(across):
                    upper[2 * t + side] = s0[t] + s1[t] + s2[t]
                    lower[2 * t + side] = s1[t] - s2[t] - s3[t]
            plane[f, 2 * row] = upper[:width]
            if 2 * row + 1 < height:
                plane[f, 2 * row + 1] = lower[:width]


@kernel
def _across(tiles: Array, left: Array, right: Array) -> None:
    t0, t1, t2, t3 = tiles[0], tiles[1], tiles[2], tiles[3]
    for t in range(left.size):
        left[t] = t0[t] + t1[t] + t2[t]
        right[t] = t1[t] - t2[t] - t3[t]


@kernel
def plane_to_tiles(plane: Array, tiles: Array, start: int, rows: tuple[int, int]) -> None:
    """The adjoint of `tiles_to_plane`: A g A^T, with zeros beyond an odd edge."""
    filters, height, width = plane.shape
    across = (width + 1) // 2
    border = np.zeros(2 * across, np.float32)
    upper, lower, line = np.zeros(2 * across, np.float32), np.zeros(2 * across, np.float32), np.empty_like(border)
    for f in range(filters):
        for row in range(rows[0], rows[1]):
            first = start + (row - rows[0]) * across
            upper[:width] = plane[f, 2 * row]
            if 2 * row + 1 < height:
                lower[:width] = plane[f, 2 * row + 1]
            below = lower if 2 * row + 1 < height else border
            for i in range(4):
                for x in range(2 * across):
                    if i == 0:
                        line[x] = upper[x]
                    elif i == 1:
                        line[x] = upper[x] + below[x]
                    elif i == 2:
                        line[x] = upper[x] - below[x]
                    else:
                        line[x] = -below[x]
                _pairs_to_tiles(line, tiles[4 * i : 4 * i + 4, f, first : first + across])


@kernel
def _pairs_to_tiles(line: Array, tiles: Array) -> None:
    t0, t1, t2, t3 = tiles[0], tiles[1], tiles[2], tiles[3]
    for t in range(t0.size):
        a, b = line[2 * t], line[2 * t + 1]
        t0[t] = a
        t1[t] = a + b
        t2[t] = a - b
        t3[t] = -b
