"""The sum of two arrays, for float32."""

from __future__ import annotations

from ...common.call_table import Row
from ...common.compiled_calls import integer, line
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.operator import Step
from .row_kernel import SMALLEST_RUN, RowKernel, Stage, shares
from .vector_loops import mapped


class AddKernel(RowKernel):
    """lhs, rhs -> their sum, all of one shape."""

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


def _runs(inputs: Arrays, output: Array, threads: int) -> list[tuple[list[Array], list[Array]]]:
    """At most so many runs of the inputs and the output, all of one shape."""
    flat = [array.reshape(-1) for array in (*inputs, output)]
    parts = ([array[part] for array in flat] for part in shares(output.size, threads, SMALLEST_RUN))
    return [(part[:-1], part[-1:]) for part in parts]


_map_add = mapped(lambda x, y: x + y)


@kernel
def _add(at: int) -> int:
    _map_add((integer(at, 0), integer(at, 1)), (), integer(at, 2), integer(at, 3))
    return 0


@kernel
def _copy(at: int) -> int:
    size = integer(at, 2)
    line(integer(at, 1), size)[:] = line(integer(at, 0), size)
    return 0
