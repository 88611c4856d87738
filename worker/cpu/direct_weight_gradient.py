"""The gradients of a direct convolution's weight and bias: images x the output's gradient, pixel by pixel."""

from __future__ import annotations

import numpy as np

from ...common.compiled_calls import call, integer, line
from ...common.jit import kernel
from ..array import Array
from .direct_forward import clear, read_images
from .direct_geometry import Geometry, across, geometry_at, list_taps, span
from .direct_weights import group_floats, panel_floats, unpack_weight
from .panels import transpose, whole, write_address
from .plane_lanes import LANES
from .sums import sum_line
from .tile_product import DEPTH, LOWEST, multiply


@kernel
def add_weight_gradient(g: Geometry, images: int, grad: int, count: int, rows: int, lists: int, total: int) -> None:
    """`total`, panels as of the weight, += pixels of `count` images x grad (count * rows * OW, F)."""
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
            factor = grad + 4 * (run * g.out_width * g.filters + group * filters)
            shape = (taps, filters)
            multiply(left, factor, (g.filters, whole(LANES)), made, strides, made, strides, shape, LOWEST)


@kernel
def sloped(g: Geometry, slope: int, out: int, grad: int, count: int, lists: int, room: int) -> int:
    """Where grad (count, F, OH, OW) times the activation's slope is: `room`, or `grad` itself if `slope` is 0.

    `slope` is the address of a function as of `activation.slope_row`, and `out` that of the activation's output.
    """
    if slope == 0:
        return grad
    write_address(lists, out)
    write_address(lists + 8, grad)
    write_address(lists + 16, room)
    write_address(lists + 24, count * g.filters * g.out_height * g.out_width)
    call(slope, lists)
    return room


@kernel
def parameter_gradients(at: int) -> int:
    """Write the gradients of weight and bias, those whose address is not 0.

    The arguments are data, the output's gradient, those two, the slope's function and the output, and room for pixels
    of images, of output, for the panels of the total, for images of gradients, and for lists; then the geometry.
    """
    data, grad, weight_grad, bias_grad = integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3)
    room, g = integer(at, 6), geometry_at(at, 11)
    pixels, total, planes, lists = (
        room + 4 * integer(at, 7),
        room + 4 * integer(at, 8),
        room + 4 * integer(at, 9),
        room + 4 * integer(at, 10),
    )
    size, plane = g.channels * g.height * g.width, g.out_height * g.out_width
    clear(total, g.groups * group_floats(g))
    sums = np.zeros(g.filters, np.float64)
    for first in range(0, g.images, g.chunk):
        count, place = min(g.chunk, g.images - first), 4 * first * g.filters * plane
        given = sloped(g, integer(at, 4), integer(at, 5) + place, grad + place, count, lists, planes)
        if bias_grad:
            _add_sums(g, given, count, sums)
        for top in range(0, g.out_height if weight_grad else 0, g.band):
            rows = min(g.band, g.out_height - top)
            read_images(g, data + 4 * first * size, count, top, rows, room)
            for i in range(count):
                source = given + 4 * (i * g.filters * plane + top * g.out_width)
                target = pixels + 4 * i * rows * g.out_width * g.filters
                transpose(source, plane, target, g.filters, g.filters, rows * g.out_width)
            add_weight_gradient(g, room, pixels, count, rows, lists, total)
    if weight_grad:
        unpack_weight(g, total, weight_grad)
    if bias_grad:
        line(bias_grad, g.filters)[:] = sums
    return 0


@kernel
def _add_sums(g: Geometry, grad: int, count: int, sums: Array) -> None:
    """Sums (F,) += those of grad (count, F, OH, OW)."""
    plane = g.out_height * g.out_width
    for i in range(count):
        for f in range(g.filters):
            sums[f] += sum_line(grad + 4 * (i * g.filters + f) * plane, plane)
