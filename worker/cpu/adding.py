"""Sums of two arrays, and relu behind them, for float32."""

from __future__ import annotations

from collections.abc import Sequence

from ...common.call_table import Row
from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.operator import Step
from .activation import slope_row
from .copying import copy_row
from .row_kernel import ElementwiseKernel
from .values import Value
from .vector_loops import mapped, mapped_together


class AddKernel(ElementwiseKernel):
    """lhs, rhs -> their sum, or relu of it, all of one shape."""

    def __init__(self, has_relu: bool = False) -> None:
        self.has_relu = has_relu

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write a + b, or its relu."""
        return [Row(_add_relu if self.has_relu else _add, (*inputs, outputs[0], outputs[0].size))]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write dy, or dy times relu's slope, to both gradients."""
        wanted: list[Array] = [grad for grad in in_grads if grad is not None]
        if not self.has_relu:
            return [copy_row(out_grads[0], grad) for grad in wanted]
        if len(wanted) == 2:
            return [Row(_both_slopes, (outputs[0], out_grads[0], *wanted, outputs[0].size))]
        return [slope_row("relu", outputs[0], out_grads[0], grad) for grad in wanted]


def _slopes(out: Value, grad: Value) -> Sequence[Value]:
    """Twice what activation.py has of one number."""
    made = (out.like(0.0) < out).choose(grad, (grad * out).magnitude())
    return made, made


_map_add = mapped(lambda x, y: x + y)
_map_add_relu = mapped(lambda x, y: (x + y).at_least(0.0))
_map_slopes = mapped_together(_slopes)


@kernel
def _add(at: int) -> int:
    _map_add((integer(at, 0), integer(at, 1)), (), integer(at, 2), integer(at, 3))
    return 0


@kernel
def _add_relu(at: int) -> int:
    _map_add_relu((integer(at, 0), integer(at, 1)), (), integer(at, 2), integer(at, 3))
    return 0


@kernel
def _both_slopes(at: int) -> int:
    _map_slopes((integer(at, 0), integer(at, 1)), (integer(at, 2), integer(at, 3)), integer(at, 4))
    return 0
