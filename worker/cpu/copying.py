"""Copies of arrays of float32 as rows of a table of calls."""

from __future__ import annotations

from ...common.call_table import Row
from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import Array
from .panels import copy_line


def copy_row(source: Array, target: Array) -> Row:
    """A row that copies `source` to the first places of `target`; both in C order."""
    return Row(_copy, (source, target, source.size))


@kernel
def _copy(at: int) -> int:
    copy_line(integer(at, 0), integer(at, 1), integer(at, 2))
    return 0
