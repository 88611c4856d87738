"""Operators that choose by an array of numbers or of conditions: take, pick, one_hot and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array import Array, Arrays, Gradients, Shape
from .embedding import whole_numbers
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Choice, DType, Float, Int
from .shapes import merge, merge_all, normal_axis, product


class Take(Operator):
    """a (..., n, ...), indices (...) -> a with its axis `axis` replaced by the axes of indices.

    Indices are cut to whole numbers. mode "clip" takes the nearest row for one outside, "wrap" counts round and round,
    "raise" makes it a DataError. The gradient of an element is the sum over all places where it is taken.
    """

    canonical = "take"
    axis = Int(0)
    mode = Choice("clip", "wrap", "raise", default="clip")

    def arguments(self) -> tuple[str, ...]:
        """a and indices."""
        return ("a", "indices")

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True: any row may be taken, and indices that are no batch come after the batch axis."""
        return True

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output from both inputs."""
        data, indices = in_shapes
        if data is None or indices is None:
            return in_shapes, out_shapes
        axis = normal_axis("take", self.axis, len(data))
        return in_shapes, [(*data[:axis], *indices, *data[axis + 1 :])]

    def _indices(self, step: Step, indices: Array, extent: int) -> Array:
        if self.mode == "raise":
            return whole_numbers(step, indices, extent, "take: indices")
        return bounded(indices, extent, self.mode)

    def _rows(self, array: Array, axis: int, middle: int) -> Array:
        """`array` as (before the axis, along it, after it)."""
        return array.reshape(product(array.shape[:axis]), middle, -1)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy what is taken."""
        data, axis = inputs[0], self.axis % inputs[0].ndim
        indices = self._indices(step, inputs[1], data.shape[axis])
        step.xp.take(data, indices, axis=axis, out=outputs[0], mode="clip")

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Add each place's gradient where it came from; zero for indices."""
        data, axis = inputs[0], self.axis % inputs[0].ndim
        indices = self._indices(step, inputs[1], data.shape[axis]).reshape(-1)
        if in_grads[1] is not None:
            in_grads[1].fill(0)
        if in_grads[0] is not None:
            in_grads[0].fill(0)
            target = self._rows(in_grads[0], axis, data.shape[axis])
            step.xp.add.at(target, (slice(None), indices), self._rows(out_grads[0], axis, indices.size))


class Pick(Operator):
    """One element of data along `axis` for each index; indices have data's shape without that axis, or with extent 1.

    Indices are cut to whole numbers; mode "clip" takes the nearest element for one outside, "wrap" counts round.
    """

    canonical = "pick"
    aliases = ("choose_element_0index",)
    axis = Int(-1)
    keepdims = Bool(False)
    mode = Choice("clip", "wrap", default="clip")

    def arguments(self) -> tuple[str, ...]:
        """data and index."""
        return ("data", "index")

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True along the batch axis; for a negative axis, only the shapes tell."""
        return not in_shapes or normal_axis("pick", self.axis, len(in_shapes[0])) == 0

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Index and output from data."""
        data, index = in_shapes
        if data is None:
            return in_shapes, out_shapes
        axis = normal_axis("pick", self.axis, len(data))
        before, after = data[:axis], data[axis + 1 :]
        kept = (*before, 1, *after)
        like = kept if index is not None and len(index) == len(data) else (*before, *after)
        out = kept if self.keepdims else (*before, *after) or (1,)
        return [data, merge(index, like, "pick: index")], [merge(out_shapes[0], out, "pick: output")]

    def _places(self, xp: Any, inputs: Arrays) -> tuple[Array, int, Shape]:
        """The indices shaped as data with extent 1 on the axis, the axis, and that shape."""
        data, axis = inputs[0], self.axis % inputs[0].ndim
        kept = (*data.shape[:axis], 1, *data.shape[axis + 1 :])
        return bounded(inputs[1], data.shape[axis], self.mode).reshape(kept), axis, kept

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy what is picked."""
        places, axis, kept = self._places(step.xp, inputs)
        outputs[0].reshape(kept)[...] = step.xp.take_along_axis(inputs[0], places, axis)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The gradient where it was picked, zero elsewhere and for index."""
        for grad in in_grads:
            if grad is not None:
                grad.fill(0)
        if in_grads[0] is not None:
            places, axis, kept = self._places(step.xp, inputs)
            step.xp.put_along_axis(in_grads[0], places, out_grads[0].reshape(kept), axis)


class OneHot(Operator):
    """indices (...) -> (..., depth): on_value at each index, off_value elsewhere; nothing is on for one outside."""

    canonical = "one_hot"
    blocks_gradient = True
    depth = Int(minimum=1)
    on_value = Float(1.0)
    off_value = Float(0.0)
    dtype = DType(default="float32")

    def arguments(self) -> tuple[str, ...]:
        """indices."""
        return ("indices",)

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Each from the other."""
        indices, out = in_shapes[0], out_shapes[0]
        if out:
            indices = merge(indices, out[:-1], "one_hot: indices")
        if indices is not None:
            out = merge(out, (*indices, self.depth), "one_hot: output")
        return [indices], [out]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Compare each place with its index."""
        xp, out = step.xp, outputs[0]
        out.fill(self.off_value)
        xp.copyto(out, self.on_value, where=xp.arange(self.depth) == xp.trunc(inputs[0])[..., None])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Zero."""
        if in_grads[0] is not None:
            in_grads[0].fill(0)


class Where(Operator):
    """x where condition is not 0, else y. condition has their shape, or chooses whole rows with shape (N,)."""

    canonical = "where"

    def arguments(self) -> tuple[str, ...]:
        """condition, x and y."""
        return ("condition", "x", "y")

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """x, y and the output from each other; condition from none, since it has two forms."""
        condition, x, y = in_shapes
        shape = merge_all([x, y, out_shapes[0]], ["where: x", "where: y", "where: output"])
        if condition is not None and shape:
            condition = merge(condition, shape[:1] if len(condition) == 1 else shape, "where: condition")
        return [condition, shape, shape], [shape]

    def _condition(self, condition: Array, axes: int) -> Array:
        chosen: Array = condition != 0
        return chosen.reshape(chosen.shape + (1,) * (axes - chosen.ndim))

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """y, and x over it where chosen."""
        condition, x, y = inputs
        outputs[0][...] = y
        step.xp.copyto(outputs[0], x, where=self._condition(condition, x.ndim))

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """dy to the one that was chosen, zero to the other and to condition."""
        condition = self._condition(inputs[0], inputs[1].ndim)
        if in_grads[0] is not None:
            in_grads[0].fill(0)
        for grad, chosen in zip(in_grads[1:], (condition, ~condition), strict=True):
            if grad is not None:
                step.xp.multiply(out_grads[0], chosen, out=grad)


def bounded(values: Array, extent: int, mode: str) -> Array:
    """`values` cut to whole numbers and brought into [0, extent): the nearest ("clip") or the remainder ("wrap")."""
    whole = np.trunc(values)
    inside = np.clip(whole, 0, extent - 1) if mode == "clip" else np.mod(whole, extent)
    indices: Array = np.nan_to_num(inside).astype(np.intp)
    return indices
