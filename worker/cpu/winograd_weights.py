"""A convolution's weight as Winograd's tiles, sixteen planes at once, and back; `form` is that of winograd_tiles.py."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...common.call_table import Row
from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import Array
from .direct_weights import move_channel
from .fetching import fetch_rows, fetch_target
from .panels import add_line, address
from .plane_lanes import LANES, padded
from .winograd_tiles import FORMS, Form, Tiles, weight_matrices
from .winograd_transforms import taps_to_tile, tile_to_taps

_AHEAD = 4  # planes whose tiles are on their way from or to memory: a line of each of T^2 matrices


class Planes(NamedTuple):
    """Which of a weight's planes lie side by side, and which one after the other: how many, and floats between them."""

    lanes: int
    rows: int
    lane_step: int
    row_step: int


def planes_of(weight: Array, turned: bool) -> Planes:
    """Those of weight (F, C, R, R): filters lie side by side, or, for the data's gradient, channels (`turned`)."""
    (filters, channels), taps = weight.shape[:2], weight[0, 0].size
    if turned:
        return Planes(channels, filters, taps, channels * taps)
    return Planes(filters, channels, channels * taps, taps)


def rows_to_tiles(tiles: Tiles, weight: Array, turned: bool, made: Array, most: int) -> list[Row]:
    """What makes a weight's tiles (see `weight_to_tiles`), at most so many panels each; they may run side by side."""
    function, panels, planes = TO_TILES[tiles.out, tiles.taps], made.shape[1], planes_of(weight, turned)
    ranges = [(first, min(first + most, panels)) for first in range(0, panels, most)]
    return [Row(function, (weight, made, *planes, *range_)) for range_ in ranges]


@kernel
def weight_to_tiles(form: Form, weight: int, planes: Planes, tiles: Array, panels: tuple[int, int]) -> None:
    """G w G^T: the taps at address `weight` -> panels [first, last) of tiles (T^2, lanes' / 16, rows + 1, 16)."""
    taps, side, made = form[1], len(form), tiles.ctypes.data
    rows, step, wide = tiles.shape[2], 4 * planes.lane_step, form[1] * LANES
    matrix = tiles.shape[1] * rows * LANES
    taken, half = np.zeros(taps * wide, np.float32), np.empty(side * wide, np.float32)
    for panel in range(*panels):
        lanes = min(LANES, planes.lanes - panel * LANES)
        taken[:] = 0  # for lanes behind the last
        for row in range(planes.rows):
            fetch_target(made + 4 * (panel * rows + row + _AHEAD) * LANES, matrix, side * side, LANES)
            source = weight + panel * LANES * step + 4 * row * planes.row_step
            move_channel(source, planes.lane_step, address(taken), LANES, lanes, taps * taps, True)
            # G along the columns, all at once, then along each of the rows.
            taps_to_tile(form, taken.ctypes.data, wide, half.ctypes.data, wide, wide)
            for i in range(side):
                place = made + 4 * (side * i * matrix + (panel * rows + row) * LANES)
                taps_to_tile(form, half.ctypes.data + 4 * wide * i, LANES, place, matrix, LANES)


def _to_tiles(form: Form) -> Any:
    @kernel
    def to_tiles(at: int) -> int:
        """The row of `weight_to_tiles`: weight, tiles, its planes, and the first panel and the one after the last."""
        planes = Planes(integer(at, 2), integer(at, 3), integer(at, 4), integer(at, 5))
        made = weight_matrices(form, planes.lanes, planes.rows, integer(at, 1))
        weight_to_tiles(form, integer(at, 0), planes, made, (integer(at, 6), integer(at, 7)))
        return 0

    return to_tiles


def lane_floats(tiles: Tiles, filters: int, channels: int) -> int:
    """What a level of `tiles_to_weight` takes."""
    return padded(filters) * channels * tiles.taps**2


@kernel
def tiles_to_weight(form: Form, tiles: Array, weight: Array, term: tuple[int, int, int, bool]) -> None:
    """The adjoint of `weight_to_tiles`, G^T t G: tiles (T^2, F' / 16, C + 1, 16) -> weight (F, C, R, R).

    It is a term in a sum over slices, (room, level, merges, is_last), as slice_tree.py has them. All but the last are
    left in the room, sixteen filters side by side, at the level to which they are added.
    """
    channels = weight.shape[1]
    taps, side, given = form[1], len(form), tiles.ctypes.data
    room, level, merges, is_last = term
    _, panels, rows, _ = tiles.shape
    matrix, wide, size = panels * rows * LANES, taps * LANES, taps * taps * LANES
    made, half = np.empty(size, np.float32), np.empty(side * wide, np.float32)
    for panel in range(panels):
        for c in range(channels):
            fetch_rows(given + 4 * (panel * rows + c + _AHEAD) * LANES, matrix, side * side, LANES)
            # Along the rows first, as the adjoint takes the steps in reverse.
            for i in range(side):
                place = given + 4 * (side * i * matrix + (panel * rows + c) * LANES)
                tile_to_taps(form, place, matrix, half.ctypes.data + 4 * wide * i, LANES, LANES)
            kept, apart = room + 4 * size * (panel * channels + c), 4 * size * panels * channels
            stays, into = merges == 0 and not is_last, level - merges
            target = kept + level * apart if stays else address(made)
            tile_to_taps(form, half.ctypes.data, wide, target, wide, wide)
            for k in range(level - 1, into, -1):
                add_line(kept + k * apart, target, size)
            if is_last:
                if merges:
                    add_line(kept, target, size)
                _write(weight, panel, c, target)
            elif merges:
                add_line(target, kept + into * apart, size)


@kernel
def _write(weight: Array, panel: int, channel: int, taps: int) -> None:
    """Move the taps of one channel, sixteen filters side by side at an address, to weight (F, C, R, R)."""
    filters, channels, down, across = weight.shape
    lanes, plane = min(LANES, filters - panel * LANES), down * across
    target = address(weight) + 4 * plane * (panel * LANES * channels + channel)
    move_channel(target, channels * plane, taps, LANES, lanes, plane, False)


# By the pixels of a tile of the output, and the taps.
TO_TILES = {key: _to_tiles(form) for key, form in FORMS.items()}
