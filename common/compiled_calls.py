"""What functions in a table of calls (call_table.py) are made of, and the loop that walks it.

Such a function is a `kernel` of one address, at which its arguments lie, 8 bytes each: it loads them with `integer` and
`real`, takes addresses for arrays with `line` and `matrix`, and returns a whole number, which `Row` explains.
"""

from __future__ import annotations

from functools import cache
from inspect import Parameter, Signature
from typing import Any

import numba
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .jit import define, kernel, to_define

_INT, _DOUBLE = ir.IntType(64), ir.DoubleType()
_types: Any = types  # neither has annotations
_cgutils: Any = cgutils
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


def _pointing_to(kind: Any) -> Any:
    """What makes a pointer to numbers of a type of an address."""

    def to_pointer(context: Any, address: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            return build.inttoptr(args[0], cg.get_value_type(types_of_args.return_type))

        return _types.CPointer(kind)(types.int64), codegen

    return intrinsic(to_pointer)


_floats, _doubles = _pointing_to(types.float32), _pointing_to(types.float64)


@kernel
def line(address: int, size: int) -> Any:
    """The float32 array (size,) at an address, for kernels."""
    return carray(_floats(address), (size,))


@kernel
def doubles(address: int, size: int) -> Any:
    """The same in float64."""
    return carray(_doubles(address), (size,))


@kernel
def matrix(address: int, rows: int, columns: int) -> Any:
    """The float32 array (rows, columns) at an address, for kernels."""
    return carray(_floats(address), (rows, columns))


def _to_call(context: Any, function: Any, argument: Any) -> Any:
    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        kind = ir.FunctionType(_INT, [_INT])
        return build.call(build.inttoptr(args[0], kind.as_pointer()), [args[1]])

    return types.int64(types.int64, types.int64), codegen


def outlined(name: str, function: Any, *kinds: Any) -> Any:
    """`function`, which finds its arguments at an address, as one of kernels, with arguments of those numba types.

    It is compiled only once. Kernels that call it hold a call, not its instructions, which would be compiled anew for
    each of them; `name` is how they find it, also where they come from the cache. Numbers of tuples lie one after the
    other, and floats are in double precision, as `Row` has them.
    """
    to_define.append(lambda: binding.add_symbol(name, address_of(function)))

    def enter(context: Any, *given: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            define()
            flat = [one for kind, arg in zip(kinds, args, strict=True) for one in _flat(build, kind, arg)]
            room = _cgutils.alloca_once(build, _INT, size=len(flat))
            for index, number in enumerate(flat):
                build.store(number, build.gep(room, [_INT(index)]))
            made = _cgutils.get_or_insert_function(build.module, ir.FunctionType(_INT, [_INT]), name)
            build.call(made, [build.ptrtoint(room, _INT)])
            return cg.get_dummy_value()

        return types.void(*kinds), codegen

    names = [f"a{i}" for i in range(len(kinds) + 1)]  # numba asks how many arguments a function has
    signature = Signature([Parameter(one, Parameter.POSITIONAL_OR_KEYWORD) for one in names])
    enter.__signature__ = signature  # type: ignore[attr-defined]
    made: Any = intrinsic(enter)
    made.outlined_kernel = function  # for those who want to know what will be compiled
    return made


def _flat(build: ir.IRBuilder, kind: Any, given: Any) -> list[Any]:
    """An argument as numbers of 8 bytes."""
    if isinstance(kind, types.BaseTuple):
        return list(_cgutils.unpack_tuple(build, given))
    return [build.bitcast(build.fpext(given, _DOUBLE), _INT)] if kind == _types.float32 else [given]


# Calls the compiled function at an address with another address; returns what that returns.
call: Any = intrinsic(_to_call)


@kernel
def walk(calls: int, count: int, first: int) -> int:
    """Make so many `calls`, which are at that address, each a function's and its arguments' address, from `first` on.

    Returns the place of the one that stopped, or one that is not below `count` when all have been made.
    """
    place = first
    while place < count:
        said = call(integer(calls, 2 * place), integer(calls, 2 * place + 1))
        if said > 0:
            return place
        place += 1 - said
    return place


@kernel
def stop(address: int) -> int:
    """The function of rows that only Python runs."""
    return 1
