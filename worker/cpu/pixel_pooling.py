"""Max-pooling of pixels with their filters side by side, as a convolution leaves them, in one pass each way.

Windows do not overlap, so backward writes each number once. `winner` keeps, per pooled number, the position of the
first maximum within its window. As in pooling.py a NaN is larger than any number, and the first one wins.
"""

from __future__ import annotations

import numpy as np

from ...common.compiled_calls import line
from ...common.jit import kernel
from .convolution_geometry import Geometry, pooled_plane
from .winner_lines import give_to_winner, largest


@kernel
def pool_pixels(g: Geometry, pixels: int, count: int, winner: int, pooled: int) -> None:
    """Pixels (count * OH * OW, F) -> pooled (count * PH * PW, F), and winner, of the same shape."""
    size, filters = 4 * g.filters, g.filters
    best, kept, down = pooled, winner, g.out_width * g.filters
    for i in range(count):
        for y in range(g.out_height // g.pooling_height):
            first = pixels + (i * g.out_height + y * g.pooling_height) * g.out_width * size
            for _ in range(g.out_width // g.pooling_width):
                largest(first, down, filters, g.pooling_height, g.pooling_width, best, kept, filters)
                first, best, kept = first + g.pooling_width * size, best + size, kept + size


@kernel
def unpool_pixels(g: Geometry, pooled: int, count: int, winner: int, pixels: int) -> None:
    """The way back: pooled (count * PH * PW, F) -> pixels (count * OH * OW, F), every number written."""
    size, filters = 4 * g.filters, g.filters
    if pooled_plane(g) * g.pooling_height * g.pooling_width != g.out_height * g.out_width:
        # Pixels at the lower or right edge belong to no window.
        line(pixels, count * g.out_height * g.out_width * filters)[:] = 0
    given, kept = pooled, winner
    for i in range(count):
        for y in range(g.out_height // g.pooling_height):
            first = pixels + (i * g.out_height + y * g.pooling_height) * g.out_width * size
            for _ in range(g.out_width // g.pooling_width):
                for down in range(g.pooling_height):
                    for right in range(g.pooling_width):
                        number = np.float32(down * g.pooling_width + right)
                        give_to_winner(given, kept, number, first + (down * g.out_width + right) * size, filters)
                first, given, kept = first + g.pooling_width * size, given + size, kept + size
