"""A direct convolution forward: windows x weight, the windows where they lie in images with channels side by side."""

from __future__ import annotations

import numpy as np

from ...common.compiled_calls import integer
from ...common.jit import kernel
from .convolution_geometry import Geometry, across, geometry_at, list_runs, list_windows, pooled_plane, run_length, span
from .direct_weights import group_floats, panel_floats
from .panels import clear, transpose, whole
from .pixel_pooling import pool_pixels
from .plane_lanes import LANES
from .tile_product import DEPTH, LOWEST, multiply


@kernel
def read_images(g: Geometry, data: int, count: int, top: int, rows: int, images: int) -> None:
    """Images (count, C, H, W) as pixels: what rows [top, top + rows) of output read, in the border of zeros."""
    height, line_, size = span(g, rows), across(g) * g.channels, g.height * g.width
    begin = top * g.stride_down - g.pad_top
    first, last = max(begin, 0), min(begin + height, g.height)
    clear(images, count * height * line_)
    for i in range(count):
        source = data + 4 * (i * g.channels * size + first * g.width)
        target = images + 4 * ((i * height + first - begin) * line_ + g.pad_left * g.channels)
        if g.pad_left == 0:
            transpose(source, size, target, g.channels, g.channels, (last - first) * g.width)
            continue
        for y in range(last - first):
            transpose(source + 4 * y * g.width, size, target + 4 * y * line_, g.channels, g.channels, g.width)


@kernel
def multiply_runs(
    a: tuple[int, int, int, int, int],
    b: int,
    panel: int,
    s: int,
    s_strides: tuple[int, int],
    c: int,
    c_strides: tuple[int, int],
    shape: tuple[int, int],
    least: np.float32,
) -> None:
    """C = max(S + A B, least) as `multiply` has it, for A (address, rows, offsets, runs, length) of any depth.

    B are panels of sixteen columns, one line for each number of the runs, `panel` floats from panel to panel. Some runs
    at a time are multiplied, so that their part of B stays in the cache.
    """
    images, windows, offsets, runs, length = a
    some = max(1, DEPTH // length)
    for run in range(0, runs, some):
        left = (images, windows, offsets + 8 * run, min(some, runs - run), length, whole(1))
        begun, strides = (s, s_strides) if run == 0 else (c, c_strides)
        floor = least if run + some >= runs else LOWEST
        multiply(left, b + 4 * LANES * length * run, (whole(LANES), panel), begun, strides, c, c_strides, shape, floor)


@kernel
def convolve(
    g: Geometry, panels: int, bias: int, images: int, count: int, rows: int, least: np.float32, lists: int, out: int
) -> None:
    """Pixels of `count` images -> out (count * rows * OW, F), the sums beginning with bias (F,) or, if 0, with zeros.

    `panels` is the weight; `lists` is room for zeros and lists, as `list_floats` says.
    """
    zeros, offsets = lists, lists + 4 * LANES
    clear(zeros, whole(LANES))
    runs = list_runs(g, offsets)
    windows = offsets + 8 * runs
    pixels = list_windows(g, count, rows, windows)
    filters, channels = g.filters // g.groups, g.channels // g.groups
    for group in range(g.groups):
        left = (images + 4 * group * channels, windows, offsets, runs, run_length(g))
        weight, place = panels + 4 * group * group_floats(g), 4 * group * filters
        begun, strides = (zeros, (whole(0), whole(0))) if bias == 0 else (bias + place, (whole(0), whole(LANES)))
        out_strides = (g.filters, whole(LANES))
        multiply_runs(left, weight, panel_floats(g), begun, strides, out + place, out_strides, (pixels, filters), least)


@kernel
def forward(at: int) -> int:
    """Write out (n, F, OH, OW), or as many pooled pixels.

    The arguments are data, panels, bias, out, whether relu follows, where winners are kept, and room for pixels of
    images, of output, of what is pooled, and for lists; then the geometry.
    """
    data, panels, bias, out, rectified = integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3), integer(at, 4)
    winner, room, g = integer(at, 5), integer(at, 6), geometry_at(at, whole(10))
    made, pooled, lists = room + 4 * integer(at, 7), room + 4 * integer(at, 8), room + 4 * integer(at, 9)
    least = np.float32(0) if rectified else LOWEST
    size, plane = g.channels * g.height * g.width, pooled_plane(g)
    for first in range(0, g.images, g.chunk):
        count = min(g.chunk, g.images - first)
        for top in range(0, g.out_height, g.band):
            rows = min(g.band, g.out_height - top)
            read_images(g, data + 4 * first * size, count, top, rows, room)
            convolve(g, panels, bias, room, count, rows, least, lists, made)
            pixels, source = rows * g.out_width, made
            if winner:
                pixels, source = plane, pooled
                pool_pixels(g, made, count, winner + 4 * first * g.filters * plane, pooled)
            for i in range(count):
                target = out + 4 * ((first + i) * g.filters * plane + top * g.out_width)
                transpose(source + 4 * i * pixels * g.filters, g.filters, target, plane, pixels, g.filters)
    return 0
