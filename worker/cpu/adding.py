"""Sums of two arrays, for float32."""

from __future__ import annotations

from ...common.call_table import Row
from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import Arrays, Gradients
from ..ops.operator import Step
from .copying import copy_row
from .row_kernel import ElementwiseKernel
from .vector_loops import mapped


class AddKernel(ElementwiseKernel):
    """lhs, rhs -> their sum, all of one shape."""

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write a + b."""
        return [Row(_add, (*inputs, outputs[0], outputs[0].size))]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write dy to both gradients."""
        return [copy_row(out_grads[0], grad) for grad in in_grads if grad is not None]


_map_add = mapped(lambda x, y: x + y)


@kernel
def _add(at: int) -> int:
    _map_add((integer(at, 0), integer(at, 1)), (), integer(at, 2), integer(at, 3))
    return 0
