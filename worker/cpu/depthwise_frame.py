"""Parts of planes laid out for depthwise convolutions: rows in a border of zeros, and columns by the stride's phases.

A frame has a row of `pitch` floats for each row of the padded plane, in which place j of phase b, the phases `phase`
floats apart, holds column j * stride + b. So windows side by side read numbers side by side, at each tap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ...common.compiled_calls import integer, line
from ...common.jit import kernel
from ..array import Shape
from . import vectors
from .depthwise_lanes import ROWS_AT_ONCE
from .depthwise_tiles import HEIGHTS
from .fetching import prefetch
from .panels import read, write, write_address
from .plane_lanes import LANES, padded
from .values import BITS, FLOAT, INT
from .vectors import load, load_part, store

BAND_FLOATS = 6 * 1024  # of a frame: the first-level cache holds it and what is computed from it
AHEAD = 4096  # floats between what is read and what is fetched from memory meanwhile
BAND_ROWS = 28  # bands have a multiple of these: whole tiles of either height
SLACK = max(HEIGHTS) - 1  # rows of windows that tiles read beyond the last one

_cgutils: Any = cgutils  # which has no annotations


class Frame(NamedTuple):
    """Planes of (height, width), padded by (top, left), as windows read them that are `down` rows apart.

    A window is `tall` rows high. `band` rows of the `windows` rows of windows are worked off at a time, whose frame has
    `rows`. The first frame begins `lead` floats into its room, so that columns of the plane lie at whole vectors.

    Of small planes, some are read `together` before any is worked on: what has just been written to the first-level
    cache takes a while until other vectors of it can be read.
    """

    height: int
    width: int
    top: int
    left: int
    down: int
    right: int
    tall: int
    windows: int
    band: int
    rows: int
    pitch: int
    phase: int
    lead: int
    together: int


def frame(plane: Shape, pads: Shape, stride: Shape, span: Shape, count: Shape) -> Frame:
    """The layout for `count` = (rows, columns) of windows that reach over `span` pixels; all as (down, right).

    A pad below 0 cuts off.
    """
    down, right = stride
    place = -(-max(pads[1], 0) // right)
    across = max(padded(count[1]) + (span[1] - 1) // right, place + padded(-(-plane[1] // right)))
    phase = padded(across)
    pitch = phase * right
    band = min(count[0], max(BAND_ROWS, BAND_FLOATS // (pitch * down) // BAND_ROWS * BAND_ROWS))
    rows = (band + SLACK - 1) * down + span[0]
    together = max(1, BAND_FLOATS // (rows * pitch)) if band == count[0] else 1
    extents = (*plane, *pads, *stride, span[0], count[0])
    return Frame._make([*extents, band, rows, pitch, phase, -place % LANES, together])


def floats(f: Frame) -> int:
    """Room that frames take."""
    return f.lead + f.together * f.rows * f.pitch


@kernel
def frame_at(at: int, first: int) -> Frame:
    """The frame among the arguments at an address, from number `first` on."""
    return Frame(
        integer(at, first), integer(at, first + 1), integer(at, first + 2), integer(at, first + 3),
        integer(at, first + 4), integer(at, first + 5), integer(at, first + 6), integer(at, first + 7),
        integer(at, first + 8), integer(at, first + 9), integer(at, first + 10), integer(at, first + 11),
        integer(at, first + 12), integer(at, first + 13),
    )  # fmt: skip


@kernel
def clear_frames(f: Frame, room: int) -> int:
    """Zeros for frames in `room`, needed once before planes are read; returns where the first one begins."""
    line(room, f.lead + f.together * f.rows * f.pitch)[:] = 0
    return room + 4 * f.lead


@kernel
def read_bands(f: Frame, planes: int, count: int, first: int, band: int, begin: int) -> None:
    """As `read_band` of so many planes that lie one after the other, each to a frame of its own."""
    for i in range(count):
        read_band(f, planes + 4 * i * f.height * f.width, first, band, begin + 4 * i * f.rows * f.pitch)


@kernel
def read_band(f: Frame, plane: int, first: int, band: int, begin: int) -> None:
    """What `band` rows of windows from row `first` on read of the plane at an address -> the frame at `begin`."""
    top = first * f.down - f.top
    height = (band - 1) * f.down + f.tall
    above = min(height, max(0, -top))
    below = max(above, min(height, f.height - top))
    if f.band < f.windows:  # else these rows are never written
        line(begin, above * f.pitch)[:] = 0
        line(begin + 4 * below * f.pitch, (height + (ROWS_AT_ONCE - 1) * f.down - below) * f.pitch)[:] = 0
    skipped, left = max(0, -f.left), max(0, f.left)
    source, target = plane + 4 * ((top + above) * f.width + skipped), begin + 4 * above * f.pitch
    rows, columns = below - above, f.width - skipped
    if f.right == 1:
        _copy_rows(source, f.width, target + 4 * left, f.pitch, rows, columns)
    elif f.right == 2:
        even = target + 4 * (left % 2 * f.phase + left // 2)
        odd = target + 4 * ((left + 1) % 2 * f.phase + (left + 1) // 2)
        _deal_rows(source, f.width, even, odd, f.pitch, rows, columns)
    else:
        for y in range(rows):
            for x in range(columns):
                place = (left + x) % f.right * f.phase + (left + x) // f.right
                write(target + 4 * (y * f.pitch + place), read(source + 4 * (y * f.width + x)))


@kernel
def list_following(f: Frame, plane: int, first: int, band: int, arguments: int) -> None:
    """Write to two arguments what is fetched while a band of a plane is worked on, an address and how many floats.

    It is what bands will be read from next, about as much as this one has been.
    """
    ended = min(f.height, (first + band - 1) * f.down - f.top + f.tall) + (f.together - 1) * f.height
    write_address(arguments, plane + 4 * ended * f.width)
    write_address(arguments + 8, min(f.height, band * f.down) * f.width)


def _copying(context: Any, source: Any, pitch: Any, target: Any, across: Any, rows: Any, columns: Any) -> Any:
    """Copy `rows` of so many `columns`; `pitch` and `across` floats apart. Zeros fill up each row's last vector."""

    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        source, pitch, target, across, rows, columns = args
        given, taken = (build.inttoptr(one, FLOAT.as_pointer()) for one in (source, target))
        whole = build.and_(columns, INT(-vectors.WIDTH))
        with _cgutils.for_range_slice(build, INT(0), rows, INT(1), INT) as (row, _):
            start, end = build.gep(given, [build.mul(row, pitch)]), build.gep(taken, [build.mul(row, across)])
            with _cgutils.for_range_slice(build, INT(0), whole, INT(vectors.WIDTH), INT) as (column, _):
                source_ = build.gep(start, [column])
                prefetch(build, build.gep(source_, [INT(AHEAD)]))
                store(build, load(build, source_), build.gep(end, [column]))
            with build.if_then(build.icmp_signed("<", whole, columns)):
                last = load_part(build, build.gep(start, [whole]), build.sub(columns, whole))
                store(build, last, build.gep(end, [whole]))
        return cg.get_dummy_value()

    return types.void(*[types.int64] * 6), codegen


def _dealing(context: Any, source: Any, pitch: Any, even: Any, odd: Any, across: Any, rows: Any, columns: Any) -> Any:
    """As `_copying`, but of each row the even columns go to `even`, and the others to `odd`."""

    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        source, pitch, even, odd, across, rows, columns = args
        given, *taken = (build.inttoptr(one, FLOAT.as_pointer()) for one in (source, even, odd))
        whole = build.and_(columns, INT(-2 * vectors.WIDTH))

        def deal(start: Any, place: Any, read: Callable[[Any, Any], Any]) -> None:
            pair = [read(build.gep(start, [build.add(place, INT(i))]), i) for i in (0, vectors.WIDTH)]
            for i, end in enumerate(ends):
                order = ir.Constant(ir.VectorType(BITS, vectors.WIDTH), list(range(i, 2 * vectors.WIDTH, 2)))
                store(build, build.shuffle_vector(*pair, order), build.gep(end, [build.ashr(place, INT(1))]))

        with _cgutils.for_range_slice(build, INT(0), rows, INT(1), INT) as (row, _):
            start = build.gep(given, [build.mul(row, pitch)])
            ends = [build.gep(one, [build.mul(row, across)]) for one in taken]
            with _cgutils.for_range_slice(build, INT(0), whole, INT(2 * vectors.WIDTH), INT) as (column, _):
                for i in (0, vectors.WIDTH):
                    prefetch(build, build.gep(start, [build.add(column, INT(AHEAD + i))]))
                deal(start, column, lambda place, _: load(build, place))
            left = build.sub(columns, whole)
            with build.if_then(build.icmp_signed(">", left, INT(0))):
                deal(start, whole, lambda place, i: load_part(build, place, build.sub(left, INT(i))))
        return cg.get_dummy_value()

    return types.void(*[types.int64] * 7), codegen


_copy_rows: Any = intrinsic(_copying)
_deal_rows: Any = intrinsic(_dealing)
