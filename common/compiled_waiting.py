"""What threads do that wait for each other in kernels, without the interpreter."""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .jit import kernel

# Others mostly are ready within microseconds. When they are not, their core may have been taken from them, and they may
# be waiting for this one.
SPINS = 1_000  # turns, some ten microseconds
YIELDS = 200  # turns that give the core to others
NAP = 50  # microseconds of each turn after those

_cgutils: Any = cgutils  # which has no annotations
# Leaves the core's other thread, if it has one, what waiting would take.
_X86, _ARM = ("llvm.x86.sse2.pause", ()), ("llvm.aarch64.hint", (1,))
_PAUSE = {"x86_64": _X86, "AMD64": _X86, "aarch64": _ARM, "arm64": _ARM}.get(platform.machine())
_INT32 = ir.IntType(32)


def _pause(context: Any) -> Any:
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


pause: Any = intrinsic(_pause)  # a moment
give_way: Any = intrinsic(_give_way)  # the core to others
nap: Any = intrinsic(_nap)  # so many microseconds


@kernel
def wait_a_turn(turns: int) -> None:
    """What one who waits does after looking so many times, from 1 on."""
    if turns > SPINS + YIELDS:
        nap(NAP)
    elif turns > SPINS:
        give_way()
    else:
        pause()
