"""The recurrence of one layer in one direction, forward and back through time, as compiled loops over its steps.

Only the product with R waits for the step before. Its factor is packed into panels once for all steps, and its sums
begin with what is there already: forward with W data + b, backward with what of the state's gradient does not pass
through R. What a cell computes in between is a function of its own (rnn_cells.py), called by its address.
"""

from __future__ import annotations

from typing import NamedTuple

from ...common.call_table import Room
from ...common.compiled_calls import call, integer
from ...common.jit import kernel
from ..array import Array
from . import rnn_cells as cells
from .panels import pack, read, whole, write, write_address
from .plane_lanes import LANES, padded
from .tile_product import DEPTH, LOWEST, list_rows, multiply


class Forward(NamedTuple):
    """The arguments of `forward_steps`, in their order. Backward reads them, too, but for the last three."""

    function: int  # where the cell's function lies
    sums: Array  # (T, N, width)
    first_state: Array  # (N, H)
    first_cell: Array | None  # (N, H)
    states: Array  # where the states go, (N, H) a step
    pitch: int  # and how many floats lie from row to row of them
    cells: Array | None  # (T, N, H)
    steps: int  # T
    rows: int  # N
    size: int  # H
    width: int  # of a row of sums
    column: int  # the first one to which R state is added
    columns: int  # and how many there are
    from_end: bool  # the sequence is read from its end
    weight: Array  # R (columns, H)
    room: Room
    last_state: Array | None  # where copies of the last state and cell are wanted
    last_cell: Array | None


class Backward(NamedTuple):
    """What follows the arguments of forward in those of `backward_steps`, in place of the last two."""

    last_state_grad: Array | None  # (N, H), None for zeros
    last_cell_grad: Array | None
    sum_grads: Array  # (T, N, width), to be written
    out_grads: Array  # (N, H) a step
    out_pitch: int
    state_grad: Array  # (N, H), to be written: the gradients of the first state and cell
    cell_grad: Array | None
    state_wanted: bool  # whether anybody reads `state_grad`


# The places of these arguments.
(
    _FUNCTION, _SUMS, _FIRST_STATE, _FIRST_CELL, _STATES, _PITCH, _CELLS, _STEPS, _ROWS, _SIZE, _WIDTH, _COLUMN,
    _COLUMNS, _FROM_END, _WEIGHT, _ROOM, _LAST_STATE, _LAST_CELL, _SUM_GRADS, _OUT_GRADS, _OUT_PITCH, _STATE_GRAD,
    _CELL_GRAD, _STATE_WANTED,
) = range(24)  # fmt: skip


def room_for(rows: int, size: int, columns: int) -> Room:
    """Working memory of the loops: a frame, where runs and rows of the states are, and R or R^T in panels."""
    panels = max(padded(columns) * size, padded(size) * columns)
    return Room(2 * cells.FRAME + LANES + 2 * (rows // LANES + 2) * LANES + panels)


@kernel
def _panels(frame: int, rows: int) -> int:
    return _table(frame) + 8 * (rows // LANES + 2) * LANES


@kernel
def _table(frame: int) -> int:
    return frame + 8 * cells.FRAME + 4 * LANES


@kernel
def forward_steps(at: int) -> int:
    """Replace the sums of all steps by what backward needs of them, and write states and cells."""
    frame, size, width = integer(at, _ROOM), integer(at, _SIZE), integer(at, _WIDTH)
    rows, columns = integer(at, _ROWS), integer(at, _COLUMNS)
    panels = _panels(frame, rows)
    pack(integer(at, _WEIGHT), (whole(1), size), size, columns, panels)
    for k in range(integer(at, _STEPS)):
        _enter(at, k, frame)
        before, pitch = integer(frame, cells.BEFORE), integer(frame, cells.BEFORE_PITCH)
        sums = integer(frame, cells.SUMS) + 4 * integer(at, _COLUMN)
        _add_product(before, pitch, panels, size, sums, width, (rows, columns), frame)
        call(integer(at, _FUNCTION), frame)
    if integer(at, _LAST_STATE):
        _copy_rows(integer(frame, cells.STATE), integer(at, _PITCH), integer(at, _LAST_STATE), rows, size)
    if integer(at, _LAST_CELL):
        _copy_rows(integer(frame, cells.CELL), size, integer(at, _LAST_CELL), rows, size)
    return 0


@kernel
def backward_steps(at: int) -> int:
    """Write the gradients of all steps' sums, and of the first state and cell."""
    frame, size, width = integer(at, _ROOM), integer(at, _SIZE), integer(at, _WIDTH)
    rows, columns = integer(at, _ROWS), integer(at, _COLUMNS)
    panels = _panels(frame, rows)
    pack(integer(at, _WEIGHT), (size, whole(1)), columns, size, panels)
    passed, cell_grad = integer(at, _STATE_GRAD), integer(at, _CELL_GRAD)
    _begin(integer(at, _LAST_STATE), passed, rows * size)
    if cell_grad:
        _begin(integer(at, _LAST_CELL), cell_grad, rows * size)
    write_address(frame + 8 * cells.PASSED, passed)
    write_address(frame + 8 * cells.OUT_PITCH, integer(at, _OUT_PITCH))
    write_address(frame + 8 * cells.CELL_GRAD, cell_grad)
    for k in range(integer(at, _STEPS) - 1, -1, -1):
        row = _enter(at, k, frame) * rows
        grads = integer(at, _SUM_GRADS) + 4 * row * width
        write_address(frame + 8 * cells.SUM_GRADS, grads)
        write_address(frame + 8 * cells.OUT_GRADS, integer(at, _OUT_GRADS) + 4 * row * integer(at, _OUT_PITCH))
        call(integer(at, _FUNCTION), frame)
        if k > 0 or integer(at, _STATE_WANTED):
            left = grads + 4 * integer(at, _COLUMN)
            _add_product(left, width, panels, columns, passed, size, (rows, size), frame)
    return 0


@kernel
def _enter(at: int, k: int, frame: int) -> int:
    """Write what step k of the recurrence has in its frame; returns its place in the sequence."""
    rows, size, width = integer(at, _ROWS), integer(at, _SIZE), integer(at, _WIDTH)
    states, pitch, kept = integer(at, _STATES), integer(at, _PITCH), integer(at, _CELLS)
    place, before = k, k - 1
    if integer(at, _FROM_END):
        place = integer(at, _STEPS) - 1 - k
        before = place + 1
    write_address(frame + 8 * cells.ROWS, rows)
    write_address(frame + 8 * cells.SIZE, size)
    write_address(frame + 8 * cells.WIDTH, width)
    write_address(frame + 8 * cells.SUMS, integer(at, _SUMS) + 4 * place * rows * width)
    write_address(frame + 8 * cells.BEFORE, states + 4 * before * rows * pitch if k else integer(at, _FIRST_STATE))
    write_address(frame + 8 * cells.BEFORE_PITCH, pitch if k else size)
    write_address(frame + 8 * cells.STATE, states + 4 * place * rows * pitch)
    write_address(frame + 8 * cells.STATE_PITCH, pitch)
    write_address(frame + 8 * cells.CELL_BEFORE, kept + 4 * before * rows * size if k else integer(at, _FIRST_CELL))
    write_address(frame + 8 * cells.CELL, kept + 4 * place * rows * size)
    return place


@kernel
def _add_product(
    a: int, pitch: int, panels: int, depth: int, c: int, c_pitch: int, shape: tuple[int, int], frame: int
) -> None:
    """C += A B, with B in panels, in parts of the inner axis that fit the cache; `shape` is C's."""
    rows, columns = shape
    table, lanes = _table(frame), whole(LANES)
    run, strides = frame + 8 * cells.FRAME, (c_pitch, lanes)
    write_address(run, 0)  # the one run of columns begins where the row begins
    list_rows(pitch, rows, table)
    for k in range(0, depth, DEPTH):
        left = (a + 4 * k, table, run, whole(1), min(DEPTH, depth - k), whole(1))
        part = panels + 4 * LANES * k
        multiply(left, part, (lanes, LANES * depth), c, strides, c, strides, (rows, columns), LOWEST)


@kernel
def _copy_rows(source: int, pitch: int, target: int, rows: int, size: int) -> None:
    for row in range(rows):
        for j in range(size):
            write(target + 4 * (row * size + j), read(source + 4 * (row * pitch + j)))


@kernel
def _begin(source: int, target: int, count: int) -> None:
    for j in range(count):
        write(target + 4 * j, read(source + 4 * j) if source else 0.0)
