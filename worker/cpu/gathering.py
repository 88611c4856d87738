"""Rows of an array in memory, copied to where they are needed: which ones, is said from step to step."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ...common.call_table import Row
from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import ALIGNMENT, Array
from . import vectors
from .panels import copy_line

_AHEAD = 2  # rows that are on their way from memory while one is copied


def gather_row(told: Array, first: int, target: Array) -> Row:
    """A row of a table that writes target (n, ...), a run of memory of float32.

    `told` (2,), int64, has the addresses of an array of such rows and of their numbers, int64, of which `first` and
    those behind it are taken. With addresses of 0 nothing is done.
    """
    return Row(_gather, (told, first, target, len(target), target.size // max(1, len(target))))


def _to_prefetch(context: Any, address: Any) -> Any:
    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        vectors.prefetch(build, build.inttoptr(args[0], vectors.VECTOR.as_pointer()))
        return cg.get_dummy_value()

    return types.void(types.int64), codegen


_prefetch: Any = intrinsic(_to_prefetch)


@kernel
def _gather(at: int) -> int:
    source, numbers = integer(integer(at, 0), 0), integer(integer(at, 0), 1)
    first, target, width = integer(at, 1), integer(at, 2), integer(at, 4)
    count = integer(at, 3) if source else 0
    for i in range(count):
        if i + _AHEAD < count:
            later = source + 4 * integer(numbers, first + i + _AHEAD) * width
            for byte in range(0, 4 * width, ALIGNMENT):
                _prefetch(later + byte)
        copy_line(source + 4 * integer(numbers, first + i) * width, target + 4 * i * width, width)
    return 0
