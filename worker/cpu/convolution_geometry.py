"""What the passes of a convolution go by: its extents, and where the taps of its windows are.

Pixels are rows of numbers, the channels side by side. An image in its border of zeros is (rows, across, channels), with
`across` its width and both borders. So a tap of a window is a run of channels at a fixed distance from where the window
begins, and a product of windows and weights needs no copy of the windows.
"""

from __future__ import annotations

from typing import NamedTuple

from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import Shape
from ..ops.windows import Windows
from .panels import write_address
from .plane_lanes import LANES
from .tile_product import DEPTH

CHUNK_FLOATS = 128 * 1024  # of images and as many of output pixels: the second-level cache holds both


class Geometry(NamedTuple):
    """Data (images, channels, height, width) to (images, filters, out_height, out_width), and the windows.

    Max-pooling may follow, whose windows lie side by side; 1 x 1 for none. So many images are worked off together as a
    `chunk`, or one image in bands of so many rows of output.
    """

    images: int
    channels: int
    height: int
    width: int
    filters: int
    out_height: int
    out_width: int
    groups: int
    kernel_height: int
    kernel_width: int
    stride_down: int
    stride_right: int
    pad_top: int
    pad_left: int
    dilate_down: int
    dilate_right: int
    pooling_height: int
    pooling_width: int
    chunk: int
    band: int


def geometry(windows: Windows, data: Shape, out: Shape, groups: int, pooling: tuple[int, int] = (1, 1)) -> Geometry:
    """That of a convolution from data (n, C, H, W) to out (n, F, OH, OW), before pooling."""
    images, filters, height, width = out
    # Floats that a row of output takes, or those rows of the image that it advances by.
    row = max(data[1] * (data[3] + 2 * windows.pad[1]) * windows.stride[0], filters * width)
    chunk = min(images, max(1, CHUNK_FLOATS // (row * height)))
    band = height if chunk > 1 else min(height, max(1, CHUNK_FLOATS // row))
    pairs = (windows.kernel, windows.stride, windows.pad, windows.dilate, pooling)
    return Geometry._make([*data, *out[1:], groups, *(one for pair in pairs for one in pair), chunk, band])


@kernel
def geometry_at(at: int, first: int) -> Geometry:
    """The geometry among the arguments at an address, from number `first` on."""
    return Geometry(
        integer(at, first), integer(at, first + 1), integer(at, first + 2), integer(at, first + 3),
        integer(at, first + 4), integer(at, first + 5), integer(at, first + 6), integer(at, first + 7),
        integer(at, first + 8), integer(at, first + 9), integer(at, first + 10), integer(at, first + 11),
        integer(at, first + 12), integer(at, first + 13), integer(at, first + 14), integer(at, first + 15),
        integer(at, first + 16), integer(at, first + 17), integer(at, first + 18), integer(at, first + 19),
    )  # fmt: skip


@kernel
def span(g: Geometry, rows: int) -> int:
    """Rows of an image in its border that so many rows of output read."""
    return (rows - 1) * g.stride_down + (g.kernel_height - 1) * g.dilate_down + 1


@kernel
def across(g: Geometry) -> int:
    """The width of an image in its border."""
    return g.width + 2 * g.pad_left


@kernel
def pooled_plane(g: Geometry) -> int:
    """Numbers of a plane of the output, behind the pooling."""
    return (g.out_height // g.pooling_height) * (g.out_width // g.pooling_width)


@kernel
def taps(g: Geometry) -> int:
    """Taps of a window."""
    return g.kernel_height * g.kernel_width


@kernel
def weight_floats(g: Geometry) -> int:
    """Numbers of the weight."""
    return g.filters * (g.channels // g.groups) * taps(g)


@kernel
def even_chunk(images: int, most: int) -> int:
    """How many images to work off together, so that chunks of at most so many are about equal."""
    parts = (images + most - 1) // most
    return (images + parts - 1) // parts


@kernel
def part_length(channels: int) -> int:
    """Channels of a run: all, or an equal part of them that is short enough for the cache."""
    parts = (channels + DEPTH - 1) // DEPTH
    while channels % parts:
        parts += 1
    return channels // parts if channels // parts >= LANES else channels


@kernel
def run_length(g: Geometry) -> int:
    """Numbers of a run: those of all taps of a row if they lie side by side and are few, else those of one tap."""
    row = g.kernel_width * g.channels
    if g.groups == 1 and g.dilate_right == 1 and row <= DEPTH:
        return row
    return part_length(g.channels // g.groups)


@kernel
def list_windows(g: Geometry, images: int, rows: int, table: int) -> int:
    """Write where the windows of so many rows of output of each image begin; returns how many there are.

    The last one is there again and again up to a multiple of sixteen, as tiles want it.
    """
    line, count = across(g) * g.channels, 0
    place = 0
    for i in range(images):
        for y in range(rows):
            for x in range(g.out_width):
                place = (i * span(g, rows) + y * g.stride_down) * line + x * g.stride_right * g.channels
                write_address(table + 8 * count, place)
                count += 1
    fill_up(table, count, place)
    return count


@kernel
def list_runs(g: Geometry, table: int) -> int:
    """Write where the runs of a window are, in the order of the weight's panels; returns how many there are."""
    channels, length, count = g.channels // g.groups, run_length(g), 0
    for y in range(g.kernel_height):
        for x in range(0, g.kernel_width, max(1, length // channels)):
            place = (y * g.dilate_down * across(g) + x * g.dilate_right) * g.channels
            for channel in range(0, channels, length):
                write_address(table + 8 * count, place + channel)
                count += 1
    return count


@kernel
def list_taps(g: Geometry, table: int) -> int:
    """Write where each number of a window is, in the order of the weight's panels; returns how many there are."""
    channels, count, place = g.channels // g.groups, 0, 0
    for y in range(g.kernel_height):
        for x in range(g.kernel_width):
            for channel in range(channels):
                place = (y * g.dilate_down * across(g) + x * g.dilate_right) * g.channels + channel
                write_address(table + 8 * count, place)
                count += 1
    fill_up(table, count, place)
    return count


@kernel
def fill_up(table: int, count: int, place: int) -> None:
    """Write `place` to the end of a list, up to a multiple of sixteen."""
    for i in range(count, (count + LANES - 1) // LANES * LANES):
        write_address(table + 8 * i, place)
