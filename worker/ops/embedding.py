"""Embedding: a row of a table for each number in an array."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...common.errors import DataError
from ..array import Array, Arrays, Gradients
from .operator import Operator, PartialShape, Step
from .parameters import Bool, DType, Int
from .shapes import merge, product


class Embedding(Operator):
    """data (...) of ids 0 to input_dim - 1, weight (input_dim, output_dim) -> (..., output_dim).

    An id outside the table is a DataError. The gradient of a row is the sum over all places where it is used; that of
    data is zero. dtype is ignored: a graph has one element type. With sparse_grad, a table that no other node reads and
    whose ids are an input stays in the store during training: only the rows of a batch are sent and updated.
    """

    input_dim = Int(minimum=1)
    output_dim = Int(minimum=1)
    dtype = DType(default="float32")
    sparse_grad = Bool(False)

    def arguments(self) -> tuple[str, ...]:
        """data and weight."""
        return ("data", "weight")

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Weight from the parameters, output and data from each other. Raises ShapeError if they do not fit."""
        data, out = in_shapes[0], out_shapes[0]
        weight = merge(in_shapes[1], (self.input_dim, self.output_dim), "Embedding: weight")
        if out:
            data = merge(data, out[:-1], "Embedding: data")
        if data is not None:
            out = merge(out, (*data, self.output_dim), "Embedding: output")
        return [data, weight], [out]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy the rows. Raises DataError if an id is outside the table or not a whole number."""
        ids = whole_numbers(step, inputs[0], self.input_dim, "Embedding: data")
        # The ids are checked already; numpy's mode="raise" would copy the whole output through a buffer.
        step.xp.take(inputs[1], ids, axis=0, out=outputs[0], mode="clip")

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Add the gradient of each place to its row; zero for data."""
        if in_grads[0] is not None:
            in_grads[0].fill(0)
        if in_grads[1] is not None:
            in_grads[1].fill(0)
            ids = inputs[0].reshape(-1).astype(np.intp)  # forward has checked them
            # in_grads[1][ids] += ... would count an id that occurs several times only once.
            step.xp.add.at(in_grads[1], ids, out_grads[0].reshape(-1, self.output_dim))


def whole_numbers(step: Step, values: Array, limit: int, what: str, lowest: int = 0) -> Array:
    """`values`, floats of any shape, as integers of the same shape.

    Raises DataError, naming `what`, the row in the global batch and the value, unless all are whole numbers in
    [lowest, limit).
    """
    # Written so that NaN is wrong, too: every comparison with it is False.
    wrong: Any = ~((values >= lowest) & (values < limit) & (values == step.xp.trunc(values)))
    row_size = max(1, product(values.shape[1:]))
    step.refuse(wrong, values, partial(not_in_range, what, limit, step.first_row, row_size, lowest=lowest))
    indices: Array = values.astype(np.intp)
    return indices


def not_in_range(
    what: str, limit: int, first_row: int, row_size: int, index: int, value: float, lowest: int = 0
) -> DataError:
    """The error for a `value` that is not an index, found at flat `index` of values that begin at row `first_row`."""
    return DataError(
        f"{what}: row {first_row + index // row_size}",
        expected=f"a whole number from {lowest} to {limit - 1}",
        got=f"{value:g}",
    )
