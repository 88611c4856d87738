"""Rows of an array in memory, copied to where they are needed: which ones, is said from step to step."""

from __future__ import annotations

from ...common.call_table import Row
from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import Array
from .fetching import fetch_rows
from .panels import copy_line

_AHEAD = 2  # rows that are on their way from memory while one is copied


def gather_row(told: Array, first: int, target: Array) -> Row:
    """A row of a table that writes target (n, ...), a run of memory of float32.

    `told` (2,), int64, has the addresses of an array of such rows and of their numbers, int64, of which `first` and
    those behind it are taken. If one of the addresses is 0, nothing is done.
    """
    return Row(_gather, (told, first, target, len(target), target.size // max(1, len(target))))


@kernel
def tell(told: Array, source: int, numbers: Array) -> None:
    """Write where an array of such rows is, and where their numbers are."""
    told[0], told[1] = source, numbers.ctypes.data


@kernel
def _gather(at: int) -> int:
    source, numbers = integer(integer(at, 0), 0), integer(integer(at, 0), 1)
    first, target, width = integer(at, 1), integer(at, 2), integer(at, 4)
    count = integer(at, 3) if source and numbers else 0
    for i in range(count):
        if i + _AHEAD < count:
            fetch_rows(source + 4 * integer(numbers, first + i + _AHEAD) * width, width, 1, width)
        copy_line(source + 4 * integer(numbers, first + i) * width, target + 4 * i * width, width)
    return 0
