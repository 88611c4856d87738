"""The tiles of Winograd's F(2x2, 3x3), F(4x4, 3x3) and F(4x4, 5x5), and their products.

F(M x M, R x R) makes M x M output pixels of T x T input pixels, T = M + R - 1, for weights of R x R taps. Number
T i + j of all tiles is one matrix (tiles, channels), so that a convolution is T^2 matrix products. Tiles are
interpolated at 0, at pairs p, -p, and at infinity (Toom, Cook; Lavin, Gray 2015): of points whose powers are exact in
binary, those chosen leave the smallest rounding error. Its root mean square, of the output's and the gradients', is
0.2e-6 to 0.4e-6 for F(2, 3), 0.7e-6 to 1.3e-6 for F(4, 3), and 2e-6 to 4e-6 for F(4, 5).

Matrices have room for whole groups of sixteen planes (see plane_lanes.py); C', F' are C and F rounded up to that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...common.compiled_calls import line
from ...common.jit import kernel
from ..array import Array, Shape
from .panels import address, whole
from .plane_lanes import LANES, padded
from .strided_product import product
from .tile_product import LOWEST, list_rows, multiply

# Channels from which on rows of tiles lie so far apart that columns of them do not stay in the first-level cache.
WIDE = 256

Form = tuple[int, ...]


class Tiles(NamedTuple):
    """Tiles of M = `out` pixels each way, for weights of R = `taps` each way."""

    out: int
    taps: int

    @property
    def side(self) -> int:
        """T, the numbers of a tile each way."""
        return self.out + self.taps - 1

    @property
    def form(self) -> Form:
        """For kernels, which are compiled for each length: M, R, and zeros, T numbers together."""
        return (self.out, self.taps, *[0] * (self.side - 2))

    def tiles_shape(self, planes: int, count: int) -> Shape:
        """The shape of the matrices of `count` tiles of so many planes: see `matrix_rows`."""
        return self.side**2, count | 1, padded(planes)

    def weight_shape(self, filters: int, channels: int) -> Shape:
        """The shape of the weight's tiles, by panels of sixteen filters.

        Each matrix has one row more than is read. Without it, matrices would often lie a power of two apart, and the
        numbers of a tile, which are written together, would compete for the same few lines of the cache.
        """
        return self.side**2, padded(filters) // LANES, channels + 1, LANES


# By the pixels of a tile of the output, and the taps.
FORMS = {(tiles.out, tiles.taps): tiles.form for tiles in (Tiles(2, 3), Tiles(4, 3), Tiles(4, 5))}


@kernel
def block(at: int, shape: tuple[int, ...]) -> Array:
    """The array of that shape at an address."""
    size = 1
    for extent in shape:
        size *= extent
    made: Array = line(at, size).reshape(shape)
    return made


@kernel
def panels_of(planes: int) -> int:
    """How many panels of sixteen so many planes take."""
    return (planes + LANES - 1) // LANES


@kernel
def weight_matrices(form: Form, lanes: int, rows: int, address: int) -> Array:
    """The tiles of a weight at an address: as `Tiles.weight_shape`, so many planes side by side, and rows of them."""
    return block(address, (len(form) ** 2, panels_of(lanes), rows + 1, LANES))


@kernel
def matrix_rows(count: int) -> int:
    """Rows that a matrix of `count` tiles has room for: an odd number, for the same reason as the weight's."""
    return count | 1


@kernel
def multiply_tiles(tiles: Array, weight: Array, out: Array, count: int) -> None:
    """`count` tiles (T^2, rows, C') x weight (T^2, F' / 16, C + 1, 16) -> out (T^2, rows, F')."""
    inner, columns = tiles.shape[2], out.shape[2]
    rows = weight.shape[2]
    lists, zeros = np.empty(count + LANES, np.int64), np.zeros(LANES, np.float32)
    table, zero = address(lists), address(zeros)
    lanes, one, none = whole(LANES), whole(1), whole(0)
    strides, panels = (columns, lanes), (lanes, rows * lanes)
    list_rows(inner, count, table)
    for n in range(len(tiles)):
        a = (address(tiles[n]), table, zero, one, rows - 1, one)
        multiply(a, address(weight[n]), panels, zero, (none, none), address(out[n]), strides, (count, columns), LOWEST)


@kernel
def multiply_transposed(tiles: Array, out_tiles: Array, count: int, total: Array, adds: bool, room: int) -> None:
    """`count` tiles (T^2, rows, C') transposed x as many (T^2, rows, F') -> total (T^2, F' / 16, C + 1, 16).

    With `adds` they are added to what is there. The last row of each panel is left alone. `room` is that of `product`.
    """
    inner, columns = tiles.shape[2], out_tiles.shape[2]
    rows = total.shape[2]
    lists, zeros = np.empty(rows + LANES, np.int64), np.zeros(LANES, np.float32)
    table, zero = address(lists), address(zeros)
    lanes, one, none = whole(LANES), whole(1), whole(0)
    panels = (lanes, rows * lanes)
    list_rows(one, rows - 1, table)
    for n in range(len(tiles)):
        left, right, made = address(tiles[n]), address(out_tiles[n]), address(total[n])
        s, s_strides = (made, panels) if adds else (zero, (none, none))
        if inner >= WIDE:
            shape = (rows - 1, columns, count)
            product(left, (one, inner), right, (columns, one), s, s_strides, made, panels, shape, LOWEST, room)
        else:
            a = (left, table, zero, one, count, inner)
            multiply(a, right, (columns, lanes), s, s_strides, made, panels, (rows - 1, columns), LOWEST)
