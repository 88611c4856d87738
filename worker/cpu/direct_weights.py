"""The weight of a direct convolution as panels of sixteen filters, and back.

They are (groups, F' / 16, taps * C, 16): C are the channels of a group, and F' its filters rounded up to sixteens, of
which those that do not exist are left as they are. Blocks of four by four numbers are transposed in registers.
"""

from __future__ import annotations

from ...common.jit import kernel
from .convolution_geometry import Geometry, taps
from .line_transposes import transpose_lines
from .panels import read, transpose, write
from .plane_lanes import LANES


@kernel
def panel_floats(g: Geometry) -> int:
    """Numbers of a panel of sixteen filters."""
    return taps(g) * (g.channels // g.groups) * LANES


@kernel
def group_floats(g: Geometry) -> int:
    """Numbers of a group's panels."""
    return (g.filters // g.groups + LANES - 1) // LANES * panel_floats(g)


@kernel
def pack_weight(g: Geometry, weight: int, panels: int) -> None:
    """Weight (F, C, kh, kw) -> panels."""
    _move(g, weight, panels, True)


@kernel
def unpack_weight(g: Geometry, panels: int, weight: int) -> None:
    """Panels -> weight (F, C, kh, kw)."""
    _move(g, weight, panels, False)


@kernel
def _move(g: Geometry, weight: int, panels: int, packs: bool) -> None:
    filters, channels, count = g.filters // g.groups, g.channels // g.groups, taps(g)
    row = channels * count
    for group in range(g.groups):
        for first in range(0, filters, LANES):
            panel = panels + 4 * (group * group_floats(g) + first * row)
            corner = weight + 4 * (group * filters + first) * row
            used = min(LANES, filters - first)
            if count == 1 and packs:
                transpose(corner, row, panel, LANES, used, channels)
                continue
            if count == 1:
                transpose(panel, LANES, corner, row, channels, used)
                continue
            for c in range(channels):
                move_channel(corner + 4 * c * count, row, panel + 4 * LANES * c, LANES * channels, used, count, packs)


@kernel
def move_channel(weight: int, row: int, panel: int, line: int, filters: int, count: int, packs: bool) -> None:
    """The taps of one channel, of at most sixteen filters: weight, rows apart, <-> lines of sixteen, lines apart."""
    whole = filters - filters % 4 if count >= 4 else 0
    for k in range(0, count, 4):
        tap = max(min(k, count - 4), 0)  # the last block overlaps the one before
        for f in range(0, whole, 4):
            inside, outside = panel + 4 * (tap * line + f), weight + 4 * (f * row + tap)
            if packs:
                transpose_lines(outside, row, inside, line, 4)
            else:
                transpose_lines(inside, line, outside, row, 4)
    for f in range(whole, filters):
        for tap in range(count):
            inside, outside = panel + 4 * (tap * line + f), weight + 4 * (f * row + tap)
            if packs:
                write(inside, read(outside))
            else:
                write(outside, read(inside))


@kernel
def turn_panels(g: Geometry, panels: int, group: int, tap: int, turned: int, slot: int, slots: int) -> None:
    """One tap of a group's panels -> its place `slot` among `slots` in panels of sixteen channels, of filters."""
    filters, channels = g.filters // g.groups, g.channels // g.groups
    for first in range(0, filters, LANES):
        panel = panels + 4 * (group * group_floats(g) + first * taps(g) * channels + LANES * tap * channels)
        for channel in range(0, channels, LANES):
            target = turned + 4 * (channel * slots * filters + LANES * (slot * filters + first))
            source = panel + 4 * LANES * channel
            transpose(source, LANES, target, LANES, min(LANES, channels - channel), min(LANES, filters - first))
