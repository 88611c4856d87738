"""Lines of memory that are on their way to the cache before a kernel asks for them."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ...common.jit import kernel
from ..array import ALIGNMENT
from .values import INT

_types: Any = types  # neither has annotations
_cgutils: Any = cgutils
_BYTE, _FLAG = ir.IntType(8).as_pointer(), ir.IntType(32)
_KIND = ir.FunctionType(ir.VoidType(), [_BYTE, _FLAG, _FLAG, _FLAG])


def prefetch(build: ir.IRBuilder, address: Any, to_write: bool = False) -> None:
    """Fetch the line of memory around `address` to the nearest cache, if there is memory: to read or to write it."""
    made = _cgutils.get_or_insert_function(build.module, _KIND, "llvm.prefetch.p0i8")
    how = (int(to_write), 3)  # for how long, from 0 to 3
    build.call(made, [build.bitcast(address, _BYTE), *map(_FLAG, how), _FLAG(1)])


class Stream:
    """The instructions that fetch a run of memory piece by piece, at places of a loop that computes meanwhile."""

    def __init__(self, build: ir.IRBuilder, run: list[Any], pieces: Any) -> None:
        """`run` is the address and how many floats. So many pieces are at least the run, as each has whole lines."""
        start, floats = run
        self.build, share = build, build.sdiv(build.mul(floats, INT(4)), pieces)
        self.step = build.and_(build.add(share, INT(ALIGNMENT - 1)), INT(-ALIGNMENT))
        self.next = _cgutils.alloca_once(build, INT)
        build.store(start, self.next)

    def fetch(self) -> None:
        """The next piece."""
        build, start = self.build, self.build.load(self.next)
        with _cgutils.for_range_slice(build, INT(0), self.step, INT(ALIGNMENT), INT) as (byte, _):
            prefetch(build, build.inttoptr(build.add(start, byte), _BYTE))
        build.store(build.add(start, self.step), self.next)


def _fetching(to_write: bool) -> Any:
    def fetch(context: Any, address: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            prefetch(build, build.inttoptr(args[0], _BYTE), to_write)
            return cg.get_dummy_value()

        return _types.void(_types.int64), codegen

    return intrinsic(fetch)


_fetch, _fetch_to_write = _fetching(False), _fetching(True)


@kernel
def fetch_rows(address: int, down: int, rows: int, columns: int) -> None:
    """Fetch so many rows and columns of a matrix at an address, to read them; rows are `down` floats apart."""
    for row in range(rows):
        for byte in range(0, 4 * columns, ALIGNMENT):
            _fetch(address + 4 * down * row + byte)


@kernel
def fetch_target(address: int, down: int, rows: int, columns: int) -> None:
    """The same, to write them."""
    for row in range(rows):
        for byte in range(0, 4 * columns, ALIGNMENT):
            _fetch_to_write(address + 4 * down * row + byte)
