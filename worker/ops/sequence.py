"""Operators on sequences of unequal lengths: SequenceMask, SequenceLast and SequenceReverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...common.errors import ParameterError, ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .embedding import whole_numbers
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Float, Int
from .shapes import merge


class _OfLengths(Operator, abstract=True):
    """data (T, N, ...), or (N, T, ...) if `axis` is 1; with use_sequence_length also sequence_length (N,).

    `dy` has the output's shape, a gradient that of data. Without lengths, every row is T steps long.
    """

    use_sequence_length = Bool(False)
    axis = Int(0, minimum=0, maximum=1)

    def arguments(self) -> tuple[str, ...]:
        """data and, with use_sequence_length, sequence_length."""
        return ("data", "sequence_length") if self.use_sequence_length else ("data",)

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if axis 0 is time."""
        return self.axis == 0

    def keeps_rows_apart(self, in_shapes: Sequence[Shape], axes: Sequence[int | None]) -> bool:
        """True where the batch is data's other axis than time."""
        return axes[0] == 1 - self.axis

    def result(self, data: Shape) -> Shape:
        """The output's shape, for data's shape `data`."""
        return data

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Output and lengths from data. Raises ShapeError if data has fewer than 2 axes or they do not fit."""
        data, name = in_shapes[0], self.op_name()
        if data is None:
            return in_shapes, out_shapes
        if len(data) < 2:
            raise ShapeError(f"{name}: data", expected="time and rows, at least 2 axes", got=data)
        rows = (data[1 - self.axis],)
        lengths = [merge(shape, rows, f"{name}: sequence_length") for shape in in_shapes[1:]]
        return [data, *lengths], [merge(out_shapes[0], self.result(data), f"{name}: output")]

    def by_time(self, array: Array) -> Array:
        """A view of `array` as (T, N, ...)."""
        return array.swapaxes(0, 1) if self.axis else array

    def lengths(self, step: Step, inputs: Arrays) -> Array:
        """The number of steps of each row, (N,). Raises DataError unless they are whole numbers from 1 to T."""
        steps, rows = self.by_time(inputs[0]).shape[:2]
        if not self.use_sequence_length:
            whole: Array = step.xp.full(rows, steps)
            return whole
        return whole_numbers(step, inputs[1], steps + 1, f"{self.op_name()}: sequence_length", lowest=1)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write data's gradient, and zero for the lengths. Raises DataError as `lengths` does."""
        for grad in in_grads[1:]:
            if grad is not None:
                grad.fill(0)
        if in_grads[0] is not None:
            self.spread(step, out_grads[0], inputs, in_grads[0])

    def spread(self, step: Step, dy: Array, inputs: Arrays, out: Array) -> None:
        """Write data's gradient, of data's shape, to `out`."""
        raise NotImplementedError


class SequenceMask(_OfLengths):
    """data with every step after a row's length replaced by `value`."""

    value = Float(0.0)
    axis = Int(0, minimum=0, maximum=1)  # declared again to come last, as in MXNet

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy data and mask it. Raises DataError for a wrong length."""
        outputs[0][...] = inputs[0]
        self._mask(step, inputs, outputs[0], self.value)

    def spread(self, step: Step, dy: Array, inputs: Arrays, out: Array) -> None:
        """dy, zero where data is masked; both have data's shape."""
        out[...] = dy
        self._mask(step, inputs, out, 0.0)

    def _mask(self, step: Step, inputs: Arrays, out: Array, value: float) -> None:
        view = self.by_time(out)
        # (T, 1) compared with (N,) gives (T, N), which then gets an axis of 1 for every further axis of data.
        after = step.xp.arange(view.shape[0])[:, None] >= self.lengths(step, inputs)
        step.xp.copyto(view, value, where=after.reshape(after.shape + (1,) * (view.ndim - 2)))


class SequenceLast(_OfLengths):
    """The last step of each row, (N, ...)."""

    def result(self, data: Shape) -> Shape:
        """data's shape without the axis of time."""
        return (data[1 - self.axis], *data[2:])

    def _last(self, step: Step, inputs: Arrays) -> tuple[Any, Any]:
        """The index, into (T, N, ...), of each row's last step."""
        lengths = self.lengths(step, inputs)
        return lengths - 1, step.xp.arange(lengths.size)  # (N,) each: one step of each row

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy the last steps. Raises DataError for a wrong length."""
        outputs[0][...] = self.by_time(inputs[0])[self._last(step, inputs)]

    def spread(self, step: Step, dy: Array, inputs: Arrays, out: Array) -> None:
        """dy (N, ...) in each row's last step, zero elsewhere."""
        out.fill(0)
        self.by_time(out)[self._last(step, inputs)] = dy


class SequenceReverse(_OfLengths):
    """data with each row's steps up to its length in reverse order; later steps stay where they are."""

    def check(self) -> None:
        """Raise ParameterError unless axis 0 is time, as MXNet requires."""
        if self.axis:
            raise ParameterError("SequenceReverse: parameter axis", expected=0, got=self.axis)

    def _order(self, step: Step, inputs: Arrays) -> tuple[Any, Any]:
        """The index, into (T, N, ...), of the step that each place of the output takes."""
        lengths = self.lengths(step, inputs)
        time = step.xp.arange(inputs[0].shape[0])[:, None]
        # (T, N) and (N,): advanced indexing pairs each step with its row.
        return step.xp.where(time < lengths, lengths - 1 - time, time), step.xp.arange(lengths.size)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy data in the new order. Raises DataError for a wrong length."""
        outputs[0][...] = inputs[0][self._order(step, inputs)]

    def spread(self, step: Step, dy: Array, inputs: Arrays, out: Array) -> None:
        """dy in the same order, which is its own inverse; both have data's shape."""
        out[...] = dy[self._order(step, inputs)]
