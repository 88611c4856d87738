"""Embedding for float32: rows are copied, and gradients added up in the order of the ids."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...array import Arrays, Gradients
from ...ops.embedding import not_in_range
from ...ops.softmax_output import per_row
from ..compiled_source import THREADS
from ..device import Device

if TYPE_CHECKING:
    from ...ops.embedding import Embedding

_WARP, _COLUMNS = 32, 128  # threads for a place, and the columns that they add up: as in source/embedding.cu


class EmbeddingKernel:
    """data (...) of ids, weight (input_dim, output_dim) -> (..., output_dim).

    A number that is no id is noted in `step.complaint`, from which a DataError follows when the host next waits, and
    read as 0 meanwhile; the step is a CudaStep.
    """

    def __init__(self, device: Device, op: Embedding) -> None:
        self.op, self._module = op, device.module("embedding")

    def forward(self, step: Any, inputs: Arrays, outputs: Arrays) -> None:
        """Copy the rows of the ids."""
        (ids, table), out = inputs, outputs[0]
        explain = partial(not_in_range, "Embedding: data", self.op.input_dim, step.first_row, per_row(ids))
        args = (ids, table, out, step.complaint(explain), np.int64(out.size), *self._extents())
        self._module.over("gather", out.size, args)

    def backward(self, step: Any, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the table's gradient, each row the sum of the gradients where its id stands, in order; 0 for data."""
        for grad in in_grads:
            if grad is not None:
                grad.fill(0)
        ids = inputs[0]
        if in_grads[1] is not None and ids.size:
            # A warp per place and 128 columns; see source/embedding.cu for how the order is kept without atomics.
            grid = -(-ids.size * _WARP // THREADS), -(-self.op.output_dim // _COLUMNS)
            args = (ids, out_grads[0], in_grads[1], np.int64(ids.size), *self._extents())
            self._module.launch("add_rows", grid, args)

    def _extents(self) -> tuple[np.int32, np.int32]:
        return np.int32(self.op.input_dim), np.int32(self.op.output_dim)
