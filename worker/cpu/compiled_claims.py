"""The compiled functions of claims.py: importing it imports numba."""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ...common.compiled_calls import integer
from ...common.jit import kernel

# Others mostly have done their parts within microseconds. When they have not, their core may have been taken from them,
# and they may be waiting for this one.
SPINS = 1_000  # turns, some ten microseconds
YIELDS = 200  # turns that give the core to others
NAP = 50  # microseconds of each turn after those

_types: Any = types  # neither has annotations
_cgutils: Any = cgutils
# Leaves the core's other thread, if it has one, what waiting would take.
_X86, _ARM = ("llvm.x86.sse2.pause", ()), ("llvm.aarch64.hint", (1,))
_PAUSE = {"x86_64": _X86, "AMD64": _X86, "aarch64": _ARM, "arm64": _ARM}.get(platform.machine())
_INT, _INT32 = ir.IntType(64), ir.IntType(32)


def _changing(operation: str) -> Any:
    """What changes the number at an address by another one, and returns what it was."""

    def change(context: Any, address: Any, by: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            return build.atomic_rmw(operation, build.inttoptr(args[0], _INT.as_pointer()), args[1], "seq_cst")

        return types.int64(types.int64, types.int64), codegen

    return intrinsic(change)


def _to_look(context: Any, address: Any) -> Any:
    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        return build.load_atomic(build.inttoptr(args[0], _INT.as_pointer()), "acquire", 8)

    return types.int64(types.int64), codegen


def _rest(context: Any) -> Any:
    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        if _PAUSE is not None:
            name, numbers = _PAUSE
            kind = ir.FunctionType(ir.VoidType(), [_INT32] * len(numbers))
            build.call(_cgutils.get_or_insert_function(build.module, kind, name), [_INT32(n) for n in numbers])
        return cg.get_dummy_value()

    return types.void(), codegen


def _give_way(context: Any) -> Any:
    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        build.call(_cgutils.get_or_insert_function(build.module, ir.FunctionType(_INT32, []), "sched_yield"), [])
        return cg.get_dummy_value()

    return types.void(), codegen


def _nap(context: Any, microseconds: Any) -> Any:
    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        kind = ir.FunctionType(_INT32, [_INT32])
        function = _cgutils.get_or_insert_function(build.module, kind, "usleep")
        build.call(function, [build.trunc(args[0], _INT32)])
        return cg.get_dummy_value()

    return types.void(types.int64), codegen


_add, _exchange = _changing("add"), _changing("xchg")
_look: Any = intrinsic(_to_look)  # the number at an address, and all that was written before it
_pause: Any = intrinsic(_rest)
_yield: Any = intrinsic(_give_way)
_sleep: Any = intrinsic(_nap)


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
    while _look(done) < parts:
        if _look(failed) != 0:
            return 1
        turns += 1
        if turns > SPINS + YIELDS:
            _sleep(NAP)
        elif turns > SPINS:
            _yield()
        else:
            _pause()
    return 0
