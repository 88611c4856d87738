"""stack: arrays of one shape joined along a new axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Int
from .shapes import is_batch_axis, merge, merge_all, normal_axis


class Stack(Operator):
    """arg0, arg1, ..., all of one shape, joined along a new axis at position `axis` of the output."""

    canonical = "stack"
    variadic = True
    num_args = Int(minimum=1, maximum=1 << 16)
    axis = Int(0)

    def arguments(self) -> tuple[str, ...]:
        """arg0 to arg<num_args - 1>."""
        return tuple(f"arg{i}" for i in range(self.num_args))

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if the new axis comes before the batch; for a negative `axis` that depends on the shapes."""
        return is_batch_axis(self.axis, in_shapes, added=1)  # counted on the output

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """All shapes from any one of them. Raises ShapeError if they contradict each other or `axis` does not fit."""
        out, part = out_shapes[0], None
        if out:
            axis = normal_axis("stack", self.axis, len(out))
            part = (*out[:axis], *out[axis + 1 :])
        where = [*(f"stack: {name}" for name in self.arguments()), "stack: output"]
        part = merge_all([*in_shapes, part], where)
        if part is not None:
            axis = normal_axis("stack", self.axis, len(part) + 1)
            out = merge(out, (*part[:axis], self.num_args, *part[axis:]), "stack: output")
        return [part] * self.num_args, [out]

    def _places(self, whole: Array) -> list[Array]:
        """Views of `whole`, of the output's shape, one for each input."""
        before: tuple[Any, ...] = (slice(None),) * (self.axis % whole.ndim)
        return [whole[(*before, place, ...)] for place in range(self.num_args)]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy each input to its place on the new axis."""
        for place, data in zip(self._places(outputs[0]), inputs, strict=True):
            place[...] = data

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Copy the gradient at each input's place on the new axis."""
        for place, grad in zip(self._places(out_grads[0]), in_grads, strict=True):
            if grad is not None:
                grad[...] = place
