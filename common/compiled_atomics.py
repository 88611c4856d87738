"""Whole numbers in memory that several threads read and change at the same time, in kernels.

Whoever sees a number that another thread has left there sees all that this one had written before.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_INT = ir.IntType(64)


def _place(build: ir.IRBuilder, address: Any) -> Any:
    return build.inttoptr(address, _INT.as_pointer())


def _look(context: Any, address: Any) -> Any:
    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        return build.load_atomic(_place(build, args[0]), "acquire", 8)

    return types.int64(types.int64), codegen


def _changing(operation: str) -> Any:
    def change(context: Any, address: Any, by: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            return build.atomic_rmw(operation, _place(build, args[0]), args[1], "seq_cst")

        return types.int64(types.int64, types.int64), codegen

    return intrinsic(change)


def _exchange_if(context: Any, address: Any, before: Any, after: Any) -> Any:
    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        made = build.cmpxchg(_place(build, args[0]), args[1], args[2], "seq_cst", "seq_cst")
        return build.zext(build.extract_value(made, 1), _INT)

    return types.int64(types.int64, types.int64, types.int64), codegen


look: Any = intrinsic(_look)  # (address) -> the number
add: Any = _changing("add")  # (address, number) -> what it was before this was added
exchange: Any = _changing("xchg")  # (address, number) -> what it was before it became this
exchange_if: Any = intrinsic(_exchange_if)  # (address, before, after) -> 1 if it was `before`, and is `after` now; or 0
