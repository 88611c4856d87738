"""What all windows of a plane read, tap by tap, in vectors that stay in registers from the first tap to the last.

Planes lie in phases, as stride_phases.py describes: at each tap the windows read a run of memory, and those windows
that have read the places of a phase are a run, too. Up to STEP numbers beyond the ends are read and written.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .values import BITS, FLOAT, INT, Value, constant, spread
from .vectors import VECTOR, WIDTH, load, store

_TOGETHER = 4  # vectors; more independent chains than an addition takes cycles
STEP = _TOGETHER * WIDTH
_SHORT = ir.IntType(16)  # the number of a tap, as it is kept
_KEPT, _COUNTED = ir.VectorType(_SHORT, WIDTH), ir.VectorType(BITS, WIDTH)
_cgutils: Any = cgutils  # which has no annotations


class _Chains:
    """Vectors, side by side, that change from tap to tap."""

    def __init__(self, build: ir.IRBuilder, kind: Any, first: Any) -> None:
        self.build = build
        self.places = [_cgutils.alloca_once(build, kind) for _ in range(_TOGETHER)]
        for place in self.places:
            build.store(first, place)

    def read(self) -> list[Any]:
        return [self.build.load(place) for place in self.places]

    def write(self, values: list[Any]) -> None:
        for value, place in zip(values, self.places, strict=True):
            self.build.store(value, place)


def _vectors(build: ir.IRBuilder, base: Any, index: Any) -> list[Any]:
    return [load(build, build.gep(base, [build.add(index, INT(i * WIDTH))])) for i in range(_TOGETHER)]


def _write(build: ir.IRBuilder, values: list[Any], base: Any, index: Any) -> None:
    for i, value in enumerate(values):
        store(build, value, build.gep(base, [build.add(index, INT(i * WIDTH))]))


def _pointers(build: ir.IRBuilder, *given: tuple[Any, Any]) -> list[Any]:
    return [build.inttoptr(address, kind.as_pointer()) for address, kind in given]


def _over_windows(finish: Callable[..., None]) -> Any:
    """A loop over windows, some vectors at a time, on which `finish(build, numbers, taps, line, more, index)` works.

    `numbers(tap)` gives what the windows from number `index` on read at a tap; the others are arguments of the loop.
    """

    @intrinsic
    def loop(context: Any, phases: Any, offsets: Any, taps: Any, line: Any, more: Any, windows: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            phases, offsets, taps, line, more, windows = args
            phases, offsets, line = _pointers(build, (phases, FLOAT), (offsets, INT), (line, FLOAT))
            with cgutils.for_range_slice(build, INT(0), windows, INT(STEP), INT) as (index, _):

                def numbers(tap: Any, index: Any = index) -> list[Any]:
                    return _vectors(build, phases, build.add(index, build.load(build.gep(offsets, [tap]))))

                finish(build, numbers, taps, line, more, index)
            return cg.get_dummy_value()

        return types.void(*[types.int64] * 6), codegen

    return loop


def _sum(build: ir.IRBuilder, numbers: Any, taps: Any, line: Any, divisor: Any, index: Any) -> None:
    sums = _Chains(build, VECTOR, constant(VECTOR, 0.0))
    with cgutils.for_range(build, taps) as tap:
        sums.write([build.fadd(*pair) for pair in zip(sums.read(), numbers(tap.index), strict=True)])
    (divisor,) = _pointers(build, (divisor, FLOAT))
    divided = zip(sums.read(), _vectors(build, divisor, index), strict=True)
    _write(build, [build.fdiv(*pair) for pair in divided], line, index)


def _beats(build: ir.IRBuilder, given: Any, best: Any) -> Any:
    return Value(build, given).beats(Value(build, best)).value


def _largest(build: ir.IRBuilder, numbers: Any, taps: Any, line: Any, winner: Any, index: Any) -> None:
    best = _Chains(build, VECTOR, constant(VECTOR, -math.inf))
    with cgutils.for_range(build, taps) as tap:
        pairs = zip(numbers(tap.index), best.read(), strict=True)
        best.write([build.select(_beats(build, *pair), *pair) for pair in pairs])
    _write(build, best.read(), line, index)


def _largest_and_tap(build: ir.IRBuilder, numbers: Any, taps: Any, line: Any, winner: Any, index: Any) -> None:
    best, kept = _Chains(build, VECTOR, constant(VECTOR, -math.inf)), _Chains(build, _COUNTED, constant(_COUNTED, 0))
    with cgutils.for_range(build, taps) as tap:
        number = spread(build, build.trunc(tap.index, BITS), WIDTH)
        pairs = list(zip(numbers(tap.index), best.read(), strict=True))
        beats = [_beats(build, *pair) for pair in pairs]
        best.write([build.select(larger, *pair) for larger, pair in zip(beats, pairs, strict=True)])
        kept.write([build.select(larger, number, old) for larger, old in zip(beats, kept.read(), strict=True)])
    _write(build, best.read(), line, index)
    (winner,) = _pointers(build, (winner, _SHORT))
    for i, number in enumerate(kept.read()):
        place = build.gep(winner, [build.add(index, INT(i * WIDTH))])
        build.store(build.trunc(number, _KEPT), build.bitcast(place, _KEPT.as_pointer())).align = 2


# Each writes a number for each of the windows to `line`, and is called with (phases, offsets, taps, line, more,
# windows), addresses but for the number of taps, whose `offsets` are int64, and that of windows. `more` is a divisor
# for each window of a sum, where the winning tap goes (int16), or nothing.
sums, largest, largest_and_tap = _over_windows(_sum), _over_windows(_largest), _over_windows(_largest_and_tap)


def _from_windows(of_winners: bool) -> Any:
    """A loop over the places of one phase, of which each adds up what windows that have read it give."""

    @intrinsic
    def loop(context: Any, line: Any, winner: Any, taps: Any, offsets: Any, count: Any, phase: Any, places: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            line, winner, taps, offsets, count, phase, places = args
            line, winner, phase = _pointers(build, (line, FLOAT), (winner, _SHORT), (phase, FLOAT))
            taps, offsets = _pointers(build, (taps, INT), (offsets, INT))
            with cgutils.for_range_slice(build, INT(0), places, INT(STEP), INT) as (index, _):
                total = _Chains(build, VECTOR, constant(VECTOR, 0.0))
                with cgutils.for_range(build, count) as step:
                    first = build.sub(index, build.load(build.gep(offsets, [step.index])))
                    given = _vectors(build, line, first)
                    if of_winners:
                        number = build.trunc(build.load(build.gep(taps, [step.index])), _SHORT)
                        given = _where_it_won(build, given, winner, first, number)
                    total.write([build.fadd(*pair) for pair in zip(total.read(), given, strict=True)])
                _write(build, total.read(), phase, index)
            return cg.get_dummy_value()

        return types.void(*[types.int64] * 7), codegen

    return loop


def _where_it_won(build: ir.IRBuilder, given: list[Any], winner: Any, first: Any, tap: Any) -> list[Any]:
    """`given`, but zeros where another tap was the largest."""
    number, found = spread(build, tap, WIDTH), []
    for i, values in enumerate(given):
        place = build.gep(winner, [build.add(first, INT(i * WIDTH))])
        kept = build.load(build.bitcast(place, _KEPT.as_pointer()))
        kept.align = 2
        found.append(build.select(build.icmp_signed("==", kept, number), values, constant(VECTOR, 0.0)))
    return found


# Each is called with (line, winner, taps, offsets, count, phase, places): the gradients of windows, the taps that won,
# the numbers of the `count` taps that read this phase and how far before a place the windows are that read it by them.
to_all, to_winners = _from_windows(False), _from_windows(True)
