"""Vectors of floats in compiled kernels, for what a compiler does not find by itself: LLVM's own vector instructions.

`lines` turns a function of a few numbers into one of as many vectors. What it makes is called from kernels with
addresses (`array.ctypes.data`), which it trusts, and rounds after each operation. So results do not depend on the
processor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from .fused_values import FusedValue
from .values import BITS, FLOAT, INT, Value, spread


def _width() -> int:
    """Floats of a vector on the processor that numba compiles for: 16 with AVX-512, 8 with AVX, 4 elsewhere."""
    chosen = numba.config.CPU_FEATURES  # type: ignore[attr-defined]  # settings appear when it is made
    features = str(get_host_cpu_features() if chosen is None else chosen).split(",")  # type: ignore[no-untyped-call]
    return 16 if "+avx512f" in features else 8 if "+avx" in features else 4


WIDTH = _width()
VECTOR = ir.VectorType(FLOAT, WIDTH)
_ALIGNED = ir.IntType(32)(4)  # bytes: as floats are, no more


def load(build: ir.IRBuilder, address: Any) -> Any:
    """The vector at `address`, which need not be aligned."""
    loaded = build.load(build.bitcast(address, VECTOR.as_pointer()))
    loaded.align = 4
    return loaded


def store(build: ir.IRBuilder, value: Any, address: Any) -> None:
    """Write a vector to `address`."""
    build.store(value, build.bitcast(address, VECTOR.as_pointer())).align = 4


def load_part(build: ir.IRBuilder, address: Any, count: Any) -> Any:
    """The first `count` numbers at `address`, which alone are read; zeros take the places of the others."""
    zeros, pointer = ir.Constant(VECTOR, [0.0] * WIDTH), build.bitcast(address, VECTOR.as_pointer())
    return _masked(build, "load", VECTOR, [pointer, _ALIGNED, first_places(build, count), zeros])


def store_part(build: ir.IRBuilder, value: Any, address: Any, count: Any) -> None:
    """Write the first `count` numbers of a vector to `address`."""
    store_where(build, value, address, first_places(build, count))


def store_where(build: ir.IRBuilder, value: Any, address: Any, flags: Any) -> None:
    """Write those numbers of a vector to `address` and the places behind it whose flag is set."""
    pointer = build.bitcast(address, VECTOR.as_pointer())
    _masked(build, "store", ir.VoidType(), [value, pointer, _ALIGNED, flags])


def first_places(build: ir.IRBuilder, count: Any) -> Any:
    """Which of the places of a vector are among the first `count`."""
    places = ir.Constant(ir.VectorType(BITS, WIDTH), list(range(WIDTH)))
    return build.icmp_signed("<", places, spread(build, build.trunc(count, BITS), WIDTH))


def _masked(build: ir.IRBuilder, does: str, gives: Any, arguments: list[Any]) -> Any:
    """A call of one of LLVM's functions that load or store those numbers whose flag is set."""
    name = f"llvm.masked.{does}.v{WIDTH}f32.p0v{WIDTH}f32"
    kind = ir.FunctionType(gives, [argument.type for argument in arguments])
    return build.call(build.module.globals.get(name) or ir.Function(build.module, kind, name), arguments)


def lines(function: Callable[..., tuple[Any, ...]]) -> Any:
    """`function` of some numbers, along as many lines of `count` floats, a multiple of WIDTH.

    What is made is called with the address of the first line, the floats from one line to the next, the same of the
    target, and `count`; it writes a line for each number that `function` returns. Source and target do not overlap.
    """

    @intrinsic
    def transform(context: Any, source: Any, apart: Any, target: Any, out: Any, count: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            _along_lines(build, function, args)
            return cg.get_dummy_value()

        return types.void(*[types.int64] * 5), codegen

    return transform


def lines_by_length(functions: Mapping[int, Callable[..., tuple[Any, ...]]]) -> Any:
    """As `lines`, with one more argument before the others: a tuple of integers, whose length says which function.

    The length belongs to the type, so that a kernel which is given such a tuple is compiled for one function alone.
    Sums in these functions take in products (fused_values.py).
    """

    @intrinsic
    def transform(context: Any, chosen: Any, source: Any, apart: Any, target: Any, out: Any, count: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            _along_lines(build, functions[chosen.count], args[1:], FusedValue)
            return cg.get_dummy_value()

        return types.void(chosen, *[types.int64] * 5), codegen

    return transform


def _along_lines(
    build: ir.IRBuilder, function: Callable[..., tuple[Any, ...]], args: Sequence[Any], kind: type[Value] = Value
) -> None:
    """The loop of `lines`."""
    source, apart, target, out, count = args
    takes = len(signature(function).parameters)
    with cgutils.for_range_slice(build, INT(0), count, INT(WIDTH), INT) as (index, _):
        start, end = (build.gep(build.inttoptr(base, FLOAT.as_pointer()), [index]) for base in (source, target))
        read = [kind(build, load(build, build.gep(start, [build.mul(apart, INT(i))]))) for i in range(takes)]
        for i, made in enumerate(function(*read)):
            store(build, made.value, build.gep(end, [build.mul(out, INT(i))]))
