"""Vectors of floats in compiled kernels, for what a compiler does not find by itself: LLVM's own vector instructions.

`lines` turns a function of a few numbers into one of as many vectors, and `register_tile` is the innermost loop of a
matrix product. Both are called from kernels with addresses (`array.ctypes.data`), which they trust.

A product is one chain of fused multiply-adds in the order of the inner axis, whatever the width of the vectors; `lines`
rounds after each operation. So results do not depend on the processor.
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

from .values import FLOAT, INT, Value


def _width() -> int:
    """Floats of a vector on the processor that numba compiles for: 16 with AVX-512, 8 with AVX, 4 elsewhere."""
    chosen = numba.config.CPU_FEATURES  # type: ignore[attr-defined]  # settings appear when it is made
    features = str(get_host_cpu_features() if chosen is None else chosen).split(",")  # type: ignore[no-untyped-call]
    return 16 if "+avx512f" in features else 8 if "+avx" in features else 4


WIDTH = _width()
VECTOR = ir.VectorType(FLOAT, WIDTH)


def _load(build: ir.IRBuilder, address: Any) -> Any:
    loaded = build.load(build.bitcast(address, VECTOR.as_pointer()))
    loaded.align = 4
    return loaded


def _store(build: ir.IRBuilder, value: Any, address: Any) -> None:
    build.store(value, build.bitcast(address, VECTOR.as_pointer())).align = 4


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
    """

    @intrinsic
    def transform(context: Any, chosen: Any, source: Any, apart: Any, target: Any, out: Any, count: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            _along_lines(build, functions[chosen.count], args[1:])
            return cg.get_dummy_value()

        return types.void(chosen, *[types.int64] * 5), codegen

    return transform


def _along_lines(build: ir.IRBuilder, function: Callable[..., tuple[Any, ...]], args: Sequence[Any]) -> None:
    """The loop of `lines`."""
    source, apart, target, out, count = args
    takes = len(signature(function).parameters)
    with cgutils.for_range_slice(build, INT(0), count, INT(WIDTH), INT) as (index, _):
        start, end = (build.gep(build.inttoptr(base, FLOAT.as_pointer()), [index]) for base in (source, target))
        read = [Value(build, _load(build, build.gep(start, [build.mul(apart, INT(i))]))) for i in range(takes)]
        for i, made in enumerate(function(*read)):
            _store(build, made.value, build.gep(end, [build.mul(out, INT(i))]))


def register_tile(rows: int, vectors: int, adds: bool) -> Any:
    """The innermost loop of C = A B for `rows` x `vectors` WIDTH numbers of C, which stay in registers.

    What is made is called with (a, floats from row to row of A, floats from column to column, b, from row to row of B,
    c, from row to row of C, depth). Where `adds` is true, C += A B.
    """

    @intrinsic
    def tile(context: Any, a: Any, down: Any, right: Any, b: Any, ldb: Any, c: Any, ldc: Any, depth: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            a, down, right, b, ldb, c, ldc, depth = args
            a, b, c = (build.inttoptr(x, FLOAT.as_pointer()) for x in (a, b, c))
            name = f"llvm.fma.v{WIDTH}f32"
            fma = build.module.globals.get(name) or ir.Function(
                build.module, ir.FunctionType(VECTOR, [VECTOR] * 3), name
            )
            out = [
                [build.gep(c, [build.add(build.mul(ldc, INT(i)), INT(WIDTH * j))]) for j in range(vectors)]
                for i in range(rows)
            ]
            first = [
                [_load(build, place) if adds else ir.Constant(VECTOR, [0.0] * WIDTH) for place in line] for line in out
            ]
            starts = [build.gep(a, [build.mul(down, INT(i))]) for i in range(rows)]
            before, loop, after = build.block, build.append_basic_block("depth"), build.append_basic_block("done")
            build.branch(loop)
            build.position_at_end(loop)
            k = build.phi(INT)
            sums = [[build.phi(VECTOR) for _ in range(vectors)] for _ in range(rows)]
            line, column = build.gep(b, [build.mul(k, ldb)]), build.mul(k, right)
            factors = [_load(build, build.gep(line, [INT(WIDTH * j)])) for j in range(vectors)]
            new = []
            for i in range(rows):
                number = build.load(build.gep(starts[i], [column]))
                spread = build.insert_element(ir.Constant(VECTOR, ir.Undefined), number, ir.IntType(32)(0))
                spread = build.shuffle_vector(spread, ir.Constant(VECTOR, ir.Undefined), _zeros())
                new.append([build.call(fma, [spread, factors[j], sums[i][j]]) for j in range(vectors)])
            following = build.add(k, INT(1))
            k.add_incoming(INT(0), before)
            k.add_incoming(following, loop)
            for phis, begun, made in zip(sums, first, new, strict=True):
                for phi, start, value in zip(phis, begun, made, strict=True):
                    phi.add_incoming(start, before)
                    phi.add_incoming(value, loop)
            build.cbranch(build.icmp_signed("<", following, depth), loop, after)
            build.position_at_end(after)
            for line_out, made in zip(out, new, strict=True):
                for place, value in zip(line_out, made, strict=True):
                    _store(build, value, place)
            return cg.get_dummy_value()

        return types.void(*[types.int64] * 8), codegen

    return tile


def _zeros() -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
