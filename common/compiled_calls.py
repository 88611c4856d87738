"""What functions in a table of calls (call_table.py) are made of, and the loop that walks it.

Such a function is a `kernel` of one address, at which its arguments lie, 8 bytes each: it loads them with `integer` and
`real`, takes addresses for arrays with `line` and `matrix`, and returns a whole number, which `Row` explains.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .jit import kernel

_INT, _DOUBLE = ir.IntType(64), ir.DoubleType()
_types: Any = types  # which has no annotations
carray: Any = numba.carray  # type: ignore[attr-defined]


@cache
def address_of(function: Any) -> int:
    """Where the machine code of a `kernel` lies that takes an address and returns a whole number; compiled if needed.

    It is never freed.
    """
    signature = (types.int64,)
    function.compile(signature)
    made = function.get_compile_result(types.int64(*signature))
    return int(made.library.get_pointer_to_function(made.fndesc.llvm_cfunc_wrapper_name))


def _loading(kind: Any, found: Any) -> Any:
    """What loads an argument of a type."""

    @intrinsic
    def load(context: Any, address: Any, index: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            return build.load(build.gep(build.inttoptr(args[0], kind.as_pointer()), [args[1]]))

        return found(types.int64, types.int64), codegen

    return load


integer, real = _loading(_INT, types.int64), _loading(_DOUBLE, types.float64)  # (address, index) -> an argument


def _to_pointer(context: Any, address: Any) -> Any:
    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        return build.inttoptr(args[0], cg.get_value_type(types_of_args.return_type))

    return _types.CPointer(types.float32)(types.int64), codegen


_pointer: Any = intrinsic(_to_pointer)


@kernel
def line(address: int, size: int) -> Any:
    """The float32 array (size,) at an address, for kernels."""
    return carray(_pointer(address), (size,))


@kernel
def matrix(address: int, rows: int, columns: int) -> Any:
    """The float32 array (rows, columns) at an address, for kernels."""
    return carray(_pointer(address), (rows, columns))


def _to_call(context: Any, function: Any, argument: Any) -> Any:
    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        kind = ir.FunctionType(_INT, [_INT])
        return build.call(build.inttoptr(args[0], kind.as_pointer()), [args[1]])

    return types.int64(types.int64, types.int64), codegen


def _to_count_down(context: Any, address: Any) -> Any:
    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        before = build.atomic_rmw("sub", build.inttoptr(args[0], _INT.as_pointer()), _INT(1), "seq_cst")
        return build.sub(before, _INT(1))

    return types.int64(types.int64), codegen


call: Any = intrinsic(_to_call)
# Takes one from the whole number at an address, on several threads at once, and returns what is left.
count_down: Any = intrinsic(_to_count_down)


@kernel
def walk(calls: Any, first: int) -> int:
    """Make the `calls` (n, 2), each a function's and its arguments' address, from `first` on.

    Returns the place of the one that stopped, or one that is not below n when all have been made.
    """
    place = first
    while place < calls.shape[0]:
        said = call(calls[place, 0], calls[place, 1])
        if said > 0:
            return place
        place += 1 - said
    return place


@kernel
def stop(address: int) -> int:
    """The function of rows that only Python runs."""
    return 1
