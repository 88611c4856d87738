"""The gradient of a direct convolution's data: a convolution of the output's gradient, phase by phase of the stride.

A pixel of the data is read by those taps whose distance from it is a multiple of the stride. All pixels that agree in
their places modulo the stride, a phase, have the same taps, so that their gradients are one convolution without stride.
"""

from __future__ import annotations

from ...common.compiled_calls import integer
from ...common.jit import kernel
from .convolution_geometry import Geometry, fill_up, geometry_at, part_length, pooled_plane
from .direct_forward import multiply_runs
from .direct_weights import turn_panels
from .output_gradient import read_gradient, sloped
from .panels import clear, copy_line, read_address, transpose, whole, write_address
from .plane_lanes import LANES
from .tile_product import LOWEST

Frame = tuple[int, int, int, int]


@kernel
def frame(g: Geometry) -> Frame:
    """The output's gradient in a border of zeros: rows above, columns to the left, rows and columns in all."""
    top = max(0, ((g.kernel_height - 1) * g.dilate_down - g.pad_top + g.stride_down - 1) // g.stride_down)
    left = max(0, ((g.kernel_width - 1) * g.dilate_right - g.pad_left + g.stride_right - 1) // g.stride_right)
    rows = top + max(g.out_height, (g.height - 1 + g.pad_top) // g.stride_down + 1)
    return top, left, rows, left + max(g.out_width, (g.width - 1 + g.pad_left) // g.stride_right + 1)


@kernel
def data_gradient(at: int) -> int:
    """Write the gradient of data (n, C, H, W).

    The arguments are the output's gradient, the weight's panels, the gradient, the slope's function and the output,
    where winners are kept, and room for the gradient in its frame, for pixels of data, of output, of what is pooled,
    for the weight's panels turned, for images of gradients, and for lists; then the geometry.
    """
    grad, panels, made = integer(at, 0), integer(at, 1), integer(at, 2)
    winner, room, g = integer(at, 5), integer(at, 6), geometry_at(at, whole(13))
    pixels, out_pixels, pooled = room + 4 * integer(at, 7), room + 4 * integer(at, 8), room + 4 * integer(at, 9)
    turned, planes, lists = room + 4 * integer(at, 10), room + 4 * integer(at, 11), room + 4 * integer(at, 12)
    size = g.height * g.width
    _turn_weight(g, panels, turned, lists)
    for first in range(0, g.images, g.chunk):
        count, place = min(g.chunk, g.images - first), 4 * first * g.filters * pooled_plane(g)
        given = sloped(g, integer(at, 3), integer(at, 4) + place, grad + place, count, lists, planes)
        read_gradient(g, given, count, whole(0), g.out_height, winner + place if winner else 0, pooled, out_pixels)
        _lay_in_frame(g, out_pixels, count, room)
        convolve_back(g, room, turned, count, lists, pixels)
        for i in range(count):
            target = made + 4 * (first + i) * g.channels * size
            transpose(pixels + 4 * i * size * g.channels, g.channels, target, size, size, g.channels)
    return 0


@kernel
def convolve_back(g: Geometry, framed: int, turned: int, count: int, lists: int, pixels: int) -> None:
    """Gradients of `count` outputs in their frames -> pixels (count, H, W, C) of the data's gradient."""
    clear(lists, whole(LANES))
    if g.kernel_height < g.stride_down or g.kernel_width < g.stride_right or g.dilate_down > 1 or g.dilate_right > 1:
        clear(pixels, count * g.height * g.width * g.channels)  # a phase may have no taps
    for group in range(g.groups):
        for phase in range(g.stride_down * g.stride_right):
            down, right = phase // g.stride_right, phase % g.stride_right
            taps = _list_phase(g, down, right, lists + 4 * LANES)
            if taps:
                _convolve_phase(g, framed, turned, count, lists, pixels, (group, down, right, taps))
            turned += 4 * taps * (g.filters // g.groups) * _padded(g.channels // g.groups)


@kernel
def _convolve_phase(
    g: Geometry, framed: int, turned: int, count: int, lists: int, pixels: int, of: tuple[int, int, int, int]
) -> None:
    """The pixels of one phase, (group, its place down and right, its taps)."""
    group, down, right, taps = of
    filters, channels, offsets = g.filters // g.groups, g.channels // g.groups, lists + 4 * LANES
    length = part_length(filters)
    runs = _list_phase_runs(g, down, right, length, offsets)
    windows, zeros = offsets + 8 * runs, (whole(0), whole(0))
    panel, strides = taps * filters * LANES, (g.stride_right * g.channels, whole(LANES))
    top, left, rows, width = frame(g)
    if g.stride_down == 1 and g.stride_right == 1:
        found = _list_pixels(g, count, windows)
        a = (framed + 4 * ((top * width + left) * g.filters + group * filters), windows, offsets, runs, length)
        target = pixels + 4 * group * channels
        multiply_runs(a, turned, panel, lists, zeros, target, strides, (found, channels), LOWEST)
        return
    across = (g.width - right + g.stride_right - 1) // g.stride_right
    for x in range(across):
        write_address(windows + 8 * x, x * g.filters)
    fill_up(windows, across, (across - 1) * g.filters)
    for i in range(count):
        for y in range((g.height - down + g.stride_down - 1) // g.stride_down):
            begin = framed + 4 * (((i * rows + top + y) * width + left) * g.filters + group * filters)
            place = ((i * g.height + down + y * g.stride_down) * g.width + right) * g.channels + group * channels
            a = (begin, windows, offsets, runs, length)
            multiply_runs(a, turned, panel, lists, zeros, pixels + 4 * place, strides, (across, channels), LOWEST)


@kernel
def _list_phase(g: Geometry, down: int, right: int, table: int) -> int:
    """Write the numbers of a phase's taps; returns how many there are."""
    count = 0
    for y in range(g.kernel_height):
        for x in range(g.kernel_width):
            if _apart(g, down, right, y, x) == (0, 0):
                write_address(table + 8 * count, y * g.kernel_width + x)
                count += 1
    return count


@kernel
def _apart(g: Geometry, down: int, right: int, y: int, x: int) -> tuple[int, int]:
    """How far a tap is from reading the pixels of a phase, each way."""
    return (
        (down + g.pad_top - y * g.dilate_down) % g.stride_down,
        (right + g.pad_left - x * g.dilate_right) % g.stride_right,
    )


@kernel
def _list_phase_runs(g: Geometry, down: int, right: int, length: int, table: int) -> int:
    """Write where the runs of a phase's windows are, `length` filters of a tap each; returns how many there are."""
    count, width = 0, frame(g)[3]
    for y in range(g.kernel_height):
        for x in range(g.kernel_width):
            if _apart(g, down, right, y, x) == (0, 0):
                above = (down + g.pad_top - y * g.dilate_down) // g.stride_down
                before = (right + g.pad_left - x * g.dilate_right) // g.stride_right
                for part in range(0, g.filters // g.groups, length):
                    write_address(table + 8 * count, (above * width + before) * g.filters + part)
                    count += 1
    return count


@kernel
def _list_pixels(g: Geometry, count: int, table: int) -> int:
    """Write where all pixels of the data are in the frames of `count` outputs; returns how many there are."""
    _, _, rows, width = frame(g)
    found = place = 0
    for i in range(count):
        for y in range(g.height):
            for x in range(g.width):
                place = ((i * rows + y) * width + x) * g.filters
                write_address(table + 8 * found, place)
                found += 1
    fill_up(table, found, place)
    return found


@kernel
def _lay_in_frame(g: Geometry, pixels: int, count: int, framed: int) -> None:
    """Pixels (count * OH * OW, F) of the output's gradient in their frames."""
    top, left, rows, width = frame(g)
    line_ = g.out_width * g.filters
    clear(framed, count * rows * width * g.filters)
    for i in range(count):
        for y in range(g.out_height):
            target = framed + 4 * ((i * rows + top + y) * width + left) * g.filters
            copy_line(pixels + 4 * (i * g.out_height + y) * line_, target, line_)


@kernel
def _turn_weight(g: Geometry, panels: int, turned: int, lists: int) -> None:
    """The weight's panels -> panels of sixteen channels for each group and phase, the taps of a phase together."""
    filters, channels = g.filters // g.groups, g.channels // g.groups
    for group in range(g.groups):
        for phase in range(g.stride_down * g.stride_right):
            taps = _list_phase(g, phase // g.stride_right, phase % g.stride_right, lists)
            for slot in range(taps):
                turn_panels(g, panels, group, read_address(lists + 8 * slot), turned, slot, taps)
            turned += 4 * taps * filters * _padded(channels)


@kernel
def _padded(channels: int) -> int:
    return (channels + LANES - 1) // LANES * LANES
