"""The compiled functions of claims.py: importing it imports numba."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ...common.compiled_calls import integer
from ...common.compiled_waiting import give_way, look, nap, pause
from ...common.jit import kernel

# Others mostly have done their parts within microseconds. When they have not, their core may have been taken from them,
# and they may be waiting for this one.
SPINS = 1_000  # turns, some ten microseconds
YIELDS = 200  # turns that give the core to others
NAP = 50  # microseconds of each turn after those

_INT = ir.IntType(64)


def _changing(operation: str) -> Any:
    """What changes the number at an address by another one, and returns what it was."""

    def change(context: Any, address: Any, by: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            return build.atomic_rmw(operation, build.inttoptr(args[0], _INT.as_pointer()), args[1], "seq_cst")

        return types.int64(types.int64, types.int64), codegen

    return intrinsic(change)


_add, _exchange = _changing("add"), _changing("xchg")


@kernel
def claim(at: int) -> int:
    """Go on if nobody else has claimed a part, else pass over its rows.

    The arguments are the address of a number that is 0 as long as nobody has, and how many rows.
    """
    return 0 if _exchange(integer(at, 0), 1) == 0 else -integer(at, 1)


@kernel
def finish(at: int) -> int:
    """Say that one part more has been done, to those who look at the number at an address."""
    _add(integer(at, 0), 1)
    return 0


@kernel
def wait(at: int) -> int:
    """Go on when all parts have been done; stop if they never will be.

    The arguments are the addresses of how many have been done, and of a number that is not 0 if a thread has failed,
    and how many parts there are.
    """
    done, failed, parts = integer(at, 0), integer(at, 1), integer(at, 2)
    turns = 0
    while look(done) < parts:
        if look(failed) != 0:
            return 1
        turns += 1
        if turns > SPINS + YIELDS:
            nap(NAP)
        elif turns > SPINS:
            give_way()
        else:
            pause()
    return 0
