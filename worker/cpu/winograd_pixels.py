"""Pixels to Winograd's tiles and back, sixteen planes at once, forward and as the adjoints that backward takes.

`form` is that of winograd_tiles.py, which describes the matrices of tiles; `start` is the number of the image's first
tile in the band, `rows` are the first row of tiles and the one after the last, `pad` is the convolution's.
"""

from __future__ import annotations

import numpy as np

from ...common.jit import kernel
from ..array import Array
from .lane_rows import add_row, copy, read_row, write_row
from .plane_lanes import LANES
from .winograd_transforms import (
    outputs_to_tile,
    pixels_to_tile,
    tile_to_outputs,
    tile_to_pixels,
)


@kernel
def image_to_tiles(
    form: tuple[int, ...], image: Array, tiles: Array, start: int, rows: tuple[int, int], pad: tuple[int, int]
) -> None:
    """B^T d B: image (C, H, W) -> tiles (T^2, tiles, C')."""
    channels, height, width = image.shape
    out, overlap, side = form[0], form[1] - 1, len(form)
    across, line = (width + 2 * pad[1] - overlap + out - 1) // out, side * LANES
    matrix, made = tiles.shape[1] * tiles.shape[2], tiles.ctypes.data
    # Rows of pixels of sixteen planes, with the left and right border, which stays zero. Each is read once.
    strip, half = np.zeros((side, (out * across + overlap) * LANES), np.float32), np.empty(side * line, np.float32)
    for first in range(0, channels, LANES):
        for row in range(rows[0], rows[1]):
            for i in range(side):
                y = out * row + i - pad[0]
                if row > rows[0] and i < overlap:
                    copy(strip[i + out], strip[i])  # the last rows of the tiles above
                elif 0 <= y < height:
                    read_row(image, first, y, strip[i, LANES * pad[1] :])
                else:
                    strip[i] = 0
            for t in range(across):
                place = made + 4 * ((start + (row - rows[0]) * across + t) * tiles.shape[2] + first)
                corner = strip.ctypes.data + 4 * out * LANES * t
                pixels_to_tile(form, corner, strip.shape[1], half.ctypes.data, line, line)
                for i in range(side):
                    column, target = half.ctypes.data + 4 * line * i, place + 4 * side * i * matrix
                    pixels_to_tile(form, column, LANES, target, matrix, LANES)


@kernel
def add_tiles_to_image(
    form: tuple[int, ...], tiles: Array, image: Array, start: int, rows: tuple[int, int], pad: tuple[int, int]
) -> None:
    """The adjoint of `image_to_tiles`, B t B^T: tiles (T^2, tiles, C') added to image (C, H, W), where they overlap."""
    channels, height, width = image.shape
    out, overlap, side = form[0], form[1] - 1, len(form)
    across, line = (width + 2 * pad[1] - overlap + out - 1) // out, side * LANES
    matrix, given = tiles.shape[1] * tiles.shape[2], tiles.ctypes.data
    strip = np.zeros((side, (out * across + overlap) * LANES), np.float32)
    patch, half = np.empty(side * line, np.float32), np.empty(side * line, np.float32)
    turned = np.empty(LANES * width, np.float32)
    for first in range(0, channels, LANES):
        strip[:] = 0
        for row in range(rows[0], rows[1]):
            for t in range(across):
                place = given + 4 * ((start + (row - rows[0]) * across + t) * tiles.shape[2] + first)
                for i in range(side):
                    source, column = place + 4 * side * i * matrix, half.ctypes.data + 4 * line * i
                    tile_to_pixels(form, source, matrix, column, LANES, LANES)
                tile_to_pixels(form, half.ctypes.data, line, patch.ctypes.data, line, line)
                for i in range(side):
                    begin = out * LANES * t
                    target, added = strip[i, begin : begin + line], patch[line * i : line * (i + 1)]
                    for x in range(line):
                        target[x] += added[x]
            # The last rows also belong to the tiles below: they are passed on, and added to the image when ready.
            for i in range(out if row + 1 < rows[1] else side):
                y = out * row + i - pad[0]
                if 0 <= y < height:
                    add_row(strip[i, LANES * pad[1] :], image, first, y, turned)
            for i in range(overlap):
                copy(strip[i + out], strip[i])
            strip[overlap:] = 0


@kernel
def tile_to_block(
    form: tuple[int, ...], tiles: Array, number: int, first: int, half: Array, block: int, pitch: int
) -> None:
    """A^T m A of one tile, planes [first, first + 16): M rows of M pixels from the address `block` on, `pitch` apart.

    half (T M 16,) is scratch.
    """
    side, line = len(form), form[0] * LANES
    matrix, place = tiles.shape[1] * tiles.shape[2], tiles.ctypes.data + 4 * (number * tiles.shape[2] + first)
    for i in range(side):
        source, column = place + 4 * side * i * matrix, half.ctypes.data + 4 * line * i
        tile_to_outputs(form, source, matrix, column, LANES, LANES)
    tile_to_outputs(form, half.ctypes.data, line, block, pitch, line)


@kernel
def block_to_tile(
    form: tuple[int, ...], block: int, pitch: int, half: Array, tiles: Array, number: int, first: int
) -> None:
    """The adjoint of `tile_to_block`, A g A^T."""
    side, line = len(form), form[0] * LANES
    matrix, place = tiles.shape[1] * tiles.shape[2], tiles.ctypes.data + 4 * (number * tiles.shape[2] + first)
    outputs_to_tile(form, block, pitch, half.ctypes.data, line, line)
    for i in range(side):
        column, target = half.ctypes.data + 4 * line * i, place + 4 * side * i * matrix
        outputs_to_tile(form, column, LANES, target, matrix, LANES)


@kernel
def tiles_to_plane(form: tuple[int, ...], tiles: Array, plane: Array, start: int, rows: tuple[int, int]) -> None:
    """A^T m A: tiles (T^2, tiles, F') -> plane (F, OH, OW), whose last rows or columns may take part of a tile."""
    filters, height, width = plane.shape
    out, line = form[0], form[0] * LANES
    across = (width + out - 1) // out
    strip, half = np.empty((out, across * line), np.float32), np.empty(len(form) * line, np.float32)
    for first in range(0, filters, LANES):
        for row in range(rows[0], rows[1]):
            for t in range(across):
                number, corner = start + (row - rows[0]) * across + t, strip.ctypes.data + 4 * line * t
                tile_to_block(form, tiles, number, first, half, corner, strip.shape[1])
            for i in range(min(out, height - out * row)):
                write_row(strip[i], plane, first, out * row + i)


@kernel
def plane_to_tiles(form: tuple[int, ...], plane: Array, tiles: Array, start: int, rows: tuple[int, int]) -> None:
    """The adjoint of `tiles_to_plane`, A g A^T: plane (F, OH, OW) -> tiles (T^2, tiles, F'), zeros beyond the edge."""
    filters, height, width = plane.shape
    out, line = form[0], form[0] * LANES
    across = (width + out - 1) // out
    strip, half = np.zeros((out, across * line), np.float32), np.empty(len(form) * line, np.float32)
    for first in range(0, filters, LANES):
        for row in range(rows[0], rows[1]):
            for i in range(out):
                if out * row + i < height:
                    read_row(plane, first, out * row + i, strip[i])
                else:
                    strip[i] = 0
            for t in range(across):
                number, corner = start + (row - rows[0]) * across + t, strip.ctypes.data + 4 * line * t
                block_to_tile(form, corner, strip.shape[1], half, tiles, number, first)
