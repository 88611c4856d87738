"""Embedding for float32: rows are copied, and gradients added up, in one pass over the ids."""

from __future__ import annotations

from functools import partial

from ...common.call_table import Row
from ...common.compiled_calls import integer, line, matrix
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.embedding import Embedding, whole_numbers
from ..ops.operator import Step
from .row_kernel import RowKernel


class EmbeddingKernel(RowKernel):
    """data (...) of ids, weight (input_dim, output_dim) -> (..., output_dim)."""

    def __init__(self, op: Embedding) -> None:
        self.op = op

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Copy the rows. They raise DataError for an id that is no row of the table."""
        arguments = (inputs[0], inputs[1], outputs[0], inputs[0].size, *inputs[1].shape)
        return [Row(_copy_rows, arguments, partial(self._refuse, step, inputs[0]))]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write the table's gradient, each row the sum of the gradients where its id stands, in order; 0 for data."""
        rows = [Row(_clear, (grad, grad.size)) for grad in in_grads if grad is not None]
        if in_grads[1] is not None:
            rows.append(Row(_add_rows, (inputs[0], out_grads[0], in_grads[1], inputs[0].size, *in_grads[1].shape)))
        return rows

    def _refuse(self, step: Step, ids: Array) -> None:
        """The loop only tells that an id is wrong; the plain version's check raises with row and value."""
        whole_numbers(step, ids, self.op.input_dim, "Embedding: data")


@kernel
def _copy_rows(at: int) -> int:
    """rows (n, width) = table[ids]; 1 at the first id that is no row of the table."""
    count, length, width = integer(at, 3), integer(at, 4), integer(at, 5)
    ids, table = line(integer(at, 0), count), matrix(integer(at, 1), length, width)
    target = matrix(integer(at, 2), count, width)
    for i in range(count):
        # The range comes first: turning NaN or a number beyond 64 bits into an int is undefined.
        if not 0 <= ids[i] < length or ids[i] != int(ids[i]):
            return 1
        source = int(ids[i])
        for j in range(width):
            target[i, j] = table[source, j]
    return 0


@kernel
def _clear(at: int) -> int:
    line(integer(at, 0), integer(at, 1))[:] = 0
    return 0


@kernel
def _add_rows(at: int) -> int:
    # Without checks: forward has seen the same ids.
    count, length, width = integer(at, 3), integer(at, 4), integer(at, 5)
    ids, grads = line(integer(at, 0), count), matrix(integer(at, 1), count, width)
    total = matrix(integer(at, 2), length, width)
    for i in range(count):
        target = int(ids[i])  # an id may come several times; the order of the places fixes the order of the sum
        for j in range(width):
            total[target, j] += grads[i, j]
    return 0
