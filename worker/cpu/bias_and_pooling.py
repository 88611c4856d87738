"""Max-pooling of pixels with their filters side by side, as a convolution leaves them, in one pass each way.

Windows do not overlap, so backward writes each number once. `winner` keeps, per pooled number, the position of the first
maximum within its window. As in pooling.py a NaN is larger than any number, and the first one wins: `not <=` is also
true of a NaN, and nothing displaces a NaN that is there.

All innermost loops run along contiguous memory and choose by value rather than by branch: that is what LLVM vectorises.
"""

from __future__ import annotations

import numpy as np

from ...common.compiled_calls import matrix
from ...common.jit import kernel
from .direct_geometry import Geometry, pooled_plane


@kernel
def pool_pixels(g: Geometry, pixels: int, count: int, winner: int, pooled: int) -> None:
    """Pixels (count * OH * OW, F) -> pooled (count * PH * PW, F), and winner, of the same shape."""
    size, across = pooled_plane(g), g.out_width // g.pooling_width
    given, best = matrix(pixels, count * g.out_height * g.out_width, g.filters), matrix(pooled, count * size, g.filters)
    kept = matrix(winner, count * size, g.filters)
    for place in range(count * size):
        first = _corner(g, place, size, across)
        best[place] = given[first]
        kept[place] = 0
        for position in range(1, g.pooling_height * g.pooling_width):
            line, number = given[first + _offset(g, position)], np.float32(position)
            for f in range(g.filters):
                # Not of an equal number, so that the first of equal ones wins.
                larger = (not line[f] <= best[place, f]) and best[place, f] == best[place, f]
                best[place, f] = line[f] if larger else best[place, f]
                kept[place, f] = number if larger else kept[place, f]


@kernel
def unpool_pixels(g: Geometry, pooled: int, count: int, winner: int, pixels: int) -> None:
    """The way back: pooled (count * PH * PW, F) -> pixels (count * OH * OW, F), every number written."""
    size, across = pooled_plane(g), g.out_width // g.pooling_width
    made, given = matrix(pixels, count * g.out_height * g.out_width, g.filters), matrix(pooled, count * size, g.filters)
    kept = matrix(winner, count * size, g.filters)
    if size * g.pooling_height * g.pooling_width != g.out_height * g.out_width:
        made[:] = 0  # pixels at the lower or right edge belong to no window
    for place in range(count * size):
        first = _corner(g, place, size, across)
        for position in range(g.pooling_height * g.pooling_width):
            line, number = made[first + _offset(g, position)], np.float32(position)
            for f in range(g.filters):
                line[f] = given[place, f] if kept[place, f] == number else np.float32(0)


@kernel
def _corner(g: Geometry, place: int, size: int, across: int) -> int:
    """The first pixel of a window; there are `size` windows in an image, `across` in a row."""
    image, window = place // size, place % size
    row = image * g.out_height + window // across * g.pooling_height
    return row * g.out_width + window % across * g.pooling_width


@kernel
def _offset(g: Geometry, position: int) -> int:
    """How far a position of a window is from its first pixel."""
    return position // g.pooling_width * g.out_width + position % g.pooling_width
