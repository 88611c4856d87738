"""The compiled part of counter.py: looking at a number in memory until another thread changes it."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .jit import kernel

_cgutils: Any = cgutils  # which has no annotations
_PROBE = 1000  # looks, whose time tells how long one takes
_INT = ir.IntType(64)


def _to_look(context: Any, address: Any) -> Any:
    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        found = build.load_atomic(build.inttoptr(args[0], _INT.as_pointer()), "monotonic", 8)
        # A hint to the processor: the core's other thread, if it has one, goes ahead meanwhile.
        is_arm = build.module.triple.startswith(("aarch64", "arm64"))
        name, hint = ("llvm.aarch64.hint", [ir.IntType(32)(1)]) if is_arm else ("llvm.x86.sse2.pause", [])
        kind = ir.FunctionType(ir.VoidType(), [number.type for number in hint])
        build.call(_cgutils.get_or_insert_function(build.module, kind, name), hint)
        return found

    return types.int64(types.int64), codegen


_look: Any = intrinsic(_to_look)


@kernel
def watch(address: int, before: int, looks: int) -> int:
    """Look at the whole number at an address until it is not `before`, at most so many times; how many are left."""
    while looks > 0 and _look(address) == before:
        looks -= 1
    return looks


@lru_cache(maxsize=1)
def looks_per_second() -> float:
    """How fast that is."""
    number = np.zeros(1, np.int64)
    watch(number.ctypes.data, 0, 1)  # compiled, or loaded
    start = time.perf_counter()
    watch(number.ctypes.data, 0, _PROBE)
    return _PROBE / max(time.perf_counter() - start, 1e-9)
