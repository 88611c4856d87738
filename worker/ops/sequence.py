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
    """data (T, N, ...), or (N, T, ...) if `axis` is 1; sequence_length (N,), given if use_sequence_length."""

    use_sequence_length = Bool(False)
    axis = Int(0, minimum=0, maximum=1)

    def arguments(self) -> tuple[str, ...]:
        """data, and sequence_length if it is used."""
        return ("data", "sequence_length") if self.use_sequence_length else ("data",)

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if axis 0 is time."""
        return self.axis == 0

    def result(self, data: Shape) -> Shape:
        """The output's shape."""
        return data

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Output and lengths from data."""
        data, name = in_shapes[0], self.op_name()
        if data is None:
            return in_shapes, out_shapes
        if len(data) < 2:
            raise ShapeError(f"{name}: data", expected="time and rows, at least 2 axes", got=data)
        rows = (data[1 - self.axis],)
        lengths = [merge(shape, rows, f"{name}: sequence_length") for shape in in_shapes[1:]]
        return [data, *lengths], [merge(out_shapes[0], self.result(data), f"{name}: output")]

    def by_time(self, array: Array) -> Array:
        """A view with time before rows."""
        return array.swapaxes(0, 1) if self.axis else array

    def lengths(self, step: Step, inputs: Arrays) -> Array:
        """The number of steps of each row; DataError unless from 1 to T."""
        steps, rows = self.by_time(inputs[0]).shape[:2]
        if not self.use_sequence_length:
            whole: Array = step.xp.full(rows, steps)
            return whole
        return whole_numbers(step, inputs[1] - 1, steps, f"{self.op_name()}: sequence_length - 1") + 1

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """data's gradient; zero for the lengths."""
        for grad in in_grads[1:]:
            if grad is not None:
                grad.fill(0)
        if in_grads[0] is not None:
            self.spread(step, out_grads[0], inputs, in_grads[0])

    def spread(self, step: Step, dy: Array, inputs: Arrays, out: Array) -> None:
        """Write data's gradient."""
        raise NotImplementedError


class SequenceMask(_OfLengths):
    """data with `value` in every step after a row's length."""

    value = Float(0.0)
    axis = Int(0, minimum=0, maximum=1)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy, then mask."""
        outputs[0][...] = inputs[0]
        self._mask(step, inputs, outputs[0], self.value)

    def spread(self, step: Step, dy: Array, inputs: Arrays, out: Array) -> None:
        """dy, zero where it is masked."""
        out[...] = dy
        self._mask(step, inputs, out, 0.0)

    def _mask(self, step: Step, inputs: Arrays, out: Array, value: float) -> None:
        view = self.by_time(out)
        after = step.xp.arange(view.shape[0])[:, None] >= self.lengths(step, inputs)
        step.xp.copyto(view, value, where=after.reshape(after.shape + (1,) * (view.ndim - 2)))


class SequenceLast(_OfLengths):
    """(N, ...): the last step of each row."""

    def result(self, data: Shape) -> Shape:
        """Without time."""
        return (data[1 - self.axis], *data[2:])

    def _last(self, step: Step, inputs: Arrays) -> tuple[Any, Any]:
        lengths = self.lengths(step, inputs)
        return lengths - 1, step.xp.arange(lengths.size)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy it."""
        outputs[0][...] = self.by_time(inputs[0])[self._last(step, inputs)]

    def spread(self, step: Step, dy: Array, inputs: Arrays, out: Array) -> None:
        """dy there, zero elsewhere."""
        out.fill(0)
        self.by_time(out)[self._last(step, inputs)] = dy


class SequenceReverse(_OfLengths):
    """data with each row's steps up to its length in reverse; what comes after them stays."""

    def check(self) -> None:
        """Time is axis 0 only, as in MXNet."""
        if self.axis:
            raise ParameterError("SequenceReverse: parameter axis", expected=0, got=self.axis)

    def _order(self, step: Step, inputs: Arrays) -> tuple[Any, Any]:
        lengths = self.lengths(step, inputs)
        time = step.xp.arange(inputs[0].shape[0])[:, None]
        return step.xp.where(time < lengths, lengths - 1 - time, time), step.xp.arange(lengths.size)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy, reordered."""
        outputs[0][...] = inputs[0][self._order(step, inputs)]

    def spread(self, step: Step, dy: Array, inputs: Arrays, out: Array) -> None:
        """The same reordering brings each step back."""
        out[...] = dy[self._order(step, inputs)]
