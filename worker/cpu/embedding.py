"""Embedding for float32: rows are copied, and gradients added up, in one pass over the ids."""

from __future__ import annotations

from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.embedding import Embedding, whole_numbers
from ..ops.operator import Step


class EmbeddingKernel:
    """data (...) of ids, weight (input_dim, output_dim) -> (..., output_dim)."""

    def __init__(self, op: Embedding) -> None:
        self.op = op

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy the rows. Raises DataError for an id that is no row of the table."""
        rows = outputs[0].reshape(-1, self.op.output_dim)
        # The loop only tells that an id is wrong; the plain version's check then raises with row and value.
        if not _copy_rows(inputs[0].reshape(-1), inputs[1], rows):
            whole_numbers(step, inputs[0], self.op.input_dim, "Embedding: data")

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the table's gradient, each row the sum of the gradients where its id stands, in order; 0 for data."""
        for grad in in_grads:
            if grad is not None:
                grad.fill(0)
        if in_grads[1] is not None:
            _add_rows(inputs[0].reshape(-1), out_grads[0].reshape(-1, self.op.output_dim), in_grads[1])


@kernel
def _copy_rows(ids: Array, table: Array, rows: Array) -> bool:
    """rows (n, width) = table[ids]; whether all ids are rows of the table. Stops at the first that is not."""
    for i in range(ids.size):
        # The range comes first: turning NaN or a number beyond 64 bits into an int is undefined.
        if not 0 <= ids[i] < table.shape[0] or ids[i] != int(ids[i]):
            return False
        source = int(ids[i])
        for j in range(table.shape[1]):
            rows[i, j] = table[source, j]
    return True


@kernel
def _add_rows(ids: Array, grads: Array, table: Array) -> None:
    # Without checks: forward has seen the same ids.
    for i in range(ids.size):
        target = int(ids[i])  # an id may come several times; the order of the places fixes the order of the sum
        for j in range(table.shape[1]):
            table[target, j] += grads[i, j]
