"""Calls laid out beforehand as a table that one compiled loop walks without the interpreter.

Between two such calls there are some nanoseconds instead of microseconds, and the interpreter's lock is not held, so
that threads which walk tables never wait for each other. What cannot be compiled stands in a table as well: there the
loop stops, and Python goes on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .compiling import expect

_LINE = 16  # floats of a cache line


@dataclass(frozen=True)
class Room:
    """As an argument, the address of working memory for so many `floats`, which all rows of a table share.

    It begins on a cache line, and what a row leaves there is lost.
    """

    floats: int


@dataclass(frozen=True)
class Row:
    """A call of `function`, a compiled one of one address, which finds its `arguments` there (see compiled_calls.py).

    Each argument takes 8 bytes: whole numbers, floats in double precision, arrays and room as their addresses; None
    counts as 0. The function returns 0 to go on, 1 to stop, or by a negative number how many rows are to be passed
    over. Where the loop stops, Python calls `stopped`, which may raise. Without a function the loop always stops.
    """

    function: Any = None
    arguments: tuple[Any, ...] = ()
    stopped: Callable[[], None] | None = None


def in_python(function: Callable[[], None]) -> Row:
    """A row at which Python calls `function`."""
    return Row(stopped=function)


class WorkingMemory:
    """Room that tables share which are never run at the same time."""

    def __init__(self) -> None:
        self._newest = np.empty(0, np.float32)

    def at_least(self, floats: int) -> Any:
        """An array of so many floats or more, what was given out before if that is large enough."""
        if self._newest.size < floats:
            self._newest = np.empty(floats, np.float32)
        return self._newest


class Table:
    """Rows in order. Not thread safe; the rows' arrays live as long as the table."""

    def __init__(self, rows: Sequence[Row], memory: WorkingMemory | None = None) -> None:
        """`memory` is where rows have their room; of its own, the table has as much as its rows need."""
        from .compiled_calls import address_of, stop, walk  # imports numba, which takes a while

        self._walk, self._rows = walk, list(rows)
        rooms = [one.floats for row in rows for one in row.arguments if isinstance(one, Room)]
        self._room = (memory or WorkingMemory()).at_least(max(rooms, default=0) + _LINE)
        room = -(-self._room.ctypes.data // (4 * _LINE)) * 4 * _LINE
        self._arguments = [np.array([_packed(one, room) for one in row.arguments], np.int64) for row in rows]
        for function in (walk, *(row.function for row in rows if row.function)):
            expect(function)
        calls = [
            (address_of(row.function or stop), packed.ctypes.data)
            for row, packed in zip(rows, self._arguments, strict=True)
        ]
        self._addresses = np.array(calls, np.int64).reshape(-1, 2)
        self.calls = self._addresses.ctypes.data, len(self._rows)  # where they are, and how many

    def run(self) -> None:
        """Make all calls; where one stops, its row's `stopped` is called, and then the next row's turn comes."""
        place = self._walk(*self.calls, 0)
        if place < len(self._rows):
            self.go_on(place)

    def go_on(self, place: int) -> None:
        """As `run`, from where the call at that place has stopped."""
        # Infinity and NaN are results like others, as in compiled code: numpy alone would warn of them.
        with np.errstate(all="ignore"):
            while place < len(self._rows):
                stopped = self._rows[place].stopped
                if stopped is not None:
                    stopped()
                place = self._walk(*self.calls, place + 1)


def tables(rows: Sequence[Sequence[Row]], cores: Callable[[], int], memory: WorkingMemory | None = None) -> list[Table]:
    """Several tables at once; what has to be compiled for them is compiled on so many cores."""
    from .compiling_together import compile_together

    functions = [row.function for own in rows for row in own if row.function]
    for function in functions:
        expect(function)
    compile_together(functions, cores)
    return [Table(own, memory) for own in rows]


def _packed(argument: Any, room: int) -> int:
    if argument is None:
        return 0
    if isinstance(argument, Room):
        return room
    if isinstance(argument, np.ndarray):
        return argument.ctypes.data
    if isinstance(argument, float):
        return int(struct.unpack("q", struct.pack("d", argument))[0])
    return int(argument)
