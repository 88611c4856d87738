"""The gradients of a direct convolution's weight and bias: images x the output's gradient, pixel by pixel."""

from __future__ import annotations

import numpy as np

from ...common.compiled_calls import integer
from ...common.jit import kernel
from .convolution_geometry import (
    Geometry,
    across,
    even_chunk,
    geometry_at,
    list_taps,
    pooled_plane,
    span,
    weight_floats,
)
from .direct_forward import read_images
from .direct_weights import group_floats, panel_floats, unpack_weight
from .output_gradient import add_sums, read_gradient, sloped, write_sums
from .panels import clear, whole, write_address
from .plane_lanes import LANES
from .tile_product import DEPTH, LOWEST, multiply
from .tree_sums import leaf_at, level_place, merge


@kernel
def add_weight_gradient(
    g: Geometry, images: int, grad: int, count: int, rows: int, lists: int, total: int, is_first: bool
) -> None:
    """`total`, panels as of the weight, += pixels of `count` images x grad (count * rows * OW, F).

    With `is_first`, it begins with zeros, whatever is there. `lists` is room for zeros and lists.
    """
    clear(lists, whole(LANES))
    zeros, lists = lists, lists + 4 * LANES
    height, line_ = span(g, rows), across(g) * g.channels
    taps = list_taps(g, lists)
    offsets = lists + 8 * (taps + LANES)
    for i in range(count):
        for y in range(rows):
            write_address(offsets + 8 * (i * rows + y), (i * height + y * g.stride_down) * line_)
    filters, channels, some = g.filters // g.groups, g.channels // g.groups, max(1, DEPTH // g.out_width)
    for group in range(g.groups):
        made, strides = total + 4 * group * group_floats(g), (whole(LANES), panel_floats(g))
        for run in range(0, count * rows, some):
            runs, right = min(some, count * rows - run), g.stride_right * g.channels
            left = (images + 4 * group * channels, lists, offsets + 8 * run, runs, g.out_width, right)
            factor, shape = grad + 4 * (run * g.out_width * g.filters + group * filters), (taps, filters)
            begun, steps = (zeros, (whole(0), whole(0))) if is_first and run == 0 else (made, strides)
            multiply(left, factor, (g.filters, whole(LANES)), begun, steps, made, strides, shape, LOWEST)


@kernel
def parameter_gradients(at: int) -> int:
    """Write the gradients of weight and bias, those whose address is not 0.

    The arguments are data, the output's gradient, those two, the slope's function and the output, where winners are
    kept, and room for pixels of images, of output, of what is pooled, for the panels of the total, for images of
    gradients, and for lists; then the geometry and the slices.
    """
    data, grad, weight_grad, bias_grad = integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3)
    winner, room, g = integer(at, 6), integer(at, 7), geometry_at(at, whole(13))
    pixels, pooled = room + 4 * integer(at, 8), room + 4 * integer(at, 9)
    total, planes, lists = room + 4 * integer(at, 10), room + 4 * integer(at, 11), room + 4 * integer(at, 12)
    size, sums = g.channels * g.height * g.width, np.zeros(g.filters, np.float64)
    for number in range(integer(at, 34)):
        begin, end, level, merges = leaf_at(integer(at, 33), number)
        chunk = even_chunk(end - begin, g.chunk)
        sums[:] = 0
        for first in range(begin, end, chunk):
            count, place = min(chunk, end - first), 4 * first * g.filters * pooled_plane(g)
            given = sloped(g, integer(at, 4), integer(at, 5) + place, grad + place, count, lists, planes)
            if bias_grad:
                add_sums(g, given, count, sums)
            for top in range(0, g.out_height if weight_grad else 0, g.band):
                rows = min(g.band, g.out_height - top)
                read_images(g, data + 4 * first * size, count, top, rows, room)
                read_gradient(g, given, count, top, rows, winner + place if winner else 0, pooled, pixels)
                add_weight_gradient(g, room, pixels, count, rows, lists, total, first == begin and top == 0)
        if weight_grad:
            unpack_weight(g, total, level_place(weight_grad, integer(at, 35), weight_floats(g), level))
            merge(weight_grad, integer(at, 35), weight_floats(g), level, merges)
        if bias_grad:
            write_sums(sums, level_place(bias_grad, integer(at, 36), g.filters, level))
            merge(bias_grad, integer(at, 36), g.filters, level, merges)
    return 0
