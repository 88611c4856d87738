"""Sums of two arrays and clipping, for float32."""

from __future__ import annotations

from ...common.call_table import Row
from ...common.compiled_calls import integer, line, real
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.clip import Clip
from ..ops.operator import Step
from .row_kernel import SMALLEST_RUN, RowKernel, Stage, shares
from .values import Value
from .vector_loops import mapped


class AddKernel(RowKernel):
    """lhs, rhs -> their sum, all of one shape."""

    joins_slices = True

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write a + b."""
        return [Row(_add, (*inputs, outputs[0], outputs[0].size))]

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """Parts are runs of numbers."""
        return [[self.forward_rows(step, *parts) for parts in _runs(inputs, outputs[0], threads)]]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write dy to both gradients."""
        return [Row(_copy, (out_grads[0], grad, grad.size)) for grad in in_grads if grad is not None]


class ClipKernel(RowKernel):
    """data -> the nearest numbers between two bounds, of one shape."""

    joins_slices = True

    def __init__(self, op: Clip) -> None:
        self._bounds = float(op.a_min), float(op.a_max)

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write min(max(x, a_min), a_max); NaN stays."""
        return [Row(_clip, (inputs[0], outputs[0], outputs[0].size, *self._bounds))]

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """Parts are runs of numbers."""
        return [[self.forward_rows(step, *parts) for parts in _runs(inputs, outputs[0], threads)]]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write dy where the output is the input, else dy times 0."""
        grad = in_grads[0]
        return [] if grad is None else [Row(_clip_slope, (inputs[0], outputs[0], out_grads[0], grad, grad.size))]


def _runs(inputs: Arrays, output: Array, threads: int) -> list[tuple[list[Array], list[Array]]]:
    """At most so many runs of the inputs and the output, all of one shape."""
    flat = [array.reshape(-1) for array in (*inputs, output)]
    parts = ([array[part] for array in flat] for part in shares(output.size, threads, SMALLEST_RUN))
    return [(part[:-1], part[-1:]) for part in parts]


def _clip_of(x: Value, low: Value, high: Value) -> Value:
    limited = (x < low).choose(low, x)
    return (limited > high).choose(high, limited)


_map_add, _map_clip = mapped(lambda x, y: x + y), mapped(_clip_of)
_map_clip_slope = mapped(lambda x, y, grad: x.equals(y).choose(x.like(1.0), x.like(0.0)) * grad)


@kernel
def _add(at: int) -> int:
    _map_add((integer(at, 0), integer(at, 1)), (), integer(at, 2), integer(at, 3))
    return 0


@kernel
def _copy(at: int) -> int:
    size = integer(at, 2)
    line(integer(at, 1), size)[:] = line(integer(at, 0), size)
    return 0


@kernel
def _clip(at: int) -> int:
    _map_clip((integer(at, 0),), (real(at, 3), real(at, 4)), integer(at, 1), integer(at, 2))
    return 0


@kernel
def _clip_slope(at: int) -> int:
    _map_clip_slope((integer(at, 0), integer(at, 1), integer(at, 2)), (), integer(at, 3), integer(at, 4))
    return 0
