"""Operators that select elements by an array of indices or of conditions: take, pick, one_hot and where.

Indices come as floats, since a graph has one element type; indices and conditions get zero gradients.
"""

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
    """a (..., n, ...), indices of any shape -> a with its axis `axis` replaced by the axes of indices.

    Indices are cut to whole numbers. For one outside [0, n), mode "clip" takes the nearest, "wrap" takes it modulo n,
    and "raise" makes it a DataError. The gradient of an element is the sum over all places where it is taken.
    """

    canonical = "take"
    axis = Int(0)
    mode = Choice("clip", "wrap", "raise", default="clip")

    def arguments(self) -> tuple[str, ...]:
        """a and indices."""
        return ("a", "indices")

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True: an index may select any row, and the indices need not have a batch axis."""
        return True

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output's shape from both inputs'. Raises ShapeError if `a` has no axis `axis`."""
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
        """`array` as (extents before the axis, `middle`, extents after it)."""
        return array.reshape(product(array.shape[:axis]), middle, -1)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy the selected elements. Raises DataError for an index outside the axis in mode "raise"."""
        data, axis = inputs[0], self.axis % inputs[0].ndim
        indices = self._indices(step, inputs[1], data.shape[axis])
        # All indices are inside by now; numpy's mode="raise" would copy the whole output through a buffer.
        step.xp.take(data, indices, axis=axis, out=outputs[0], mode="clip")

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Add the gradient of each place to the element it came from; zero for indices."""
        data, axis = inputs[0], self.axis % inputs[0].ndim
        indices = self._indices(step, inputs[1], data.shape[axis]).reshape(-1)
        if in_grads[1] is not None:
            in_grads[1].fill(0)
        if in_grads[0] is not None:
            in_grads[0].fill(0)
            target = self._rows(in_grads[0], axis, data.shape[axis])
            # Not target[:, indices] += ..., which counts repeated indices only once.
            step.xp.add.at(target, (slice(None), indices), self._rows(out_grads[0], axis, indices.size))


class Pick(Operator):
    """One element of data along `axis` for each index; index has data's shape without that axis, or with extent 1.

    So has the output, with extent 1 if keepdims. Indices are cut to whole numbers; for one outside, mode "clip" takes
    the nearest element, and "wrap" takes it modulo the extent.
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
        """True if `axis` is the batch axis, or may be because the shapes are not given."""
        return not in_shapes or normal_axis("pick", self.axis, len(in_shapes[0])) == 0

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Index and output from data. Raises ShapeError if data has no such axis or index does not fit."""
        data, index = in_shapes
        if data is None:
            return in_shapes, out_shapes
        axis = normal_axis("pick", self.axis, len(data))
        before, after = data[:axis], data[axis + 1 :]
        kept = (*before, 1, *after)
        like = kept if index is not None and len(index) == len(data) else (*before, *after)
        # MXNet 1.x has no arrays without axes: one element picked from a vector is (1,).
        out = kept if self.keepdims else (*before, *after) or (1,)
        return [data, merge(index, like, "pick: index")], [merge(out_shapes[0], out, "pick: output")]

    def _places(self, xp: Any, inputs: Arrays) -> tuple[Array, int, Shape]:
        """The indices in data's shape with extent 1 on the axis, then the axis and that shape."""
        data, axis = inputs[0], self.axis % inputs[0].ndim
        kept = (*data.shape[:axis], 1, *data.shape[axis + 1 :])
        return bounded(inputs[1], data.shape[axis], self.mode).reshape(kept), axis, kept

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy the picked elements."""
        places, axis, kept = self._places(step.xp, inputs)
        outputs[0].reshape(kept)[...] = step.xp.take_along_axis(inputs[0], places, axis)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The gradient where data was picked, zero elsewhere and for index."""
        for grad in in_grads:
            if grad is not None:
                grad.fill(0)
        if in_grads[0] is not None:
            # Each index picks from a line of its own, so no element is picked twice and nothing has to be added.
            places, axis, kept = self._places(step.xp, inputs)
            step.xp.put_along_axis(in_grads[0], places, out_grads[0].reshape(kept), axis)


class OneHot(Operator):
    """indices (...) -> (..., depth): on_value at each index, off_value elsewhere; an index out of range gets none."""

    canonical = "one_hot"
    blocks_gradient = True
    depth = Int(minimum=1)
    on_value = Float(1.0)
    off_value = Float(0.0)
    dtype = DType(default="float32")

    def arguments(self) -> tuple[str, ...]:
        """The only input, indices."""
        return ("indices",)

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Indices from the output, and the reverse. Raises ShapeError if they contradict each other."""
        indices, out = in_shapes[0], out_shapes[0]
        if out:
            indices = merge(indices, out[:-1], "one_hot: indices")
        if indices is not None:
            out = merge(out, (*indices, self.depth), "one_hot: output")
        return [indices], [out]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Compare the numbers 0 to depth - 1 with each index."""
        xp, out = step.xp, outputs[0]
        # (depth,) compared with (..., 1): an index outside, or NaN, equals none of the numbers.
        out.fill(self.off_value)
        xp.copyto(out, self.on_value, where=xp.arange(self.depth) == xp.trunc(inputs[0])[..., None])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write zeros: the output is piecewise constant."""
        if in_grads[0] is not None:
            in_grads[0].fill(0)


class Where(Operator):
    """x where condition is not 0, else y. condition has their shape, or is (N,) and chooses whole rows."""

    canonical = "where"

    def arguments(self) -> tuple[str, ...]:
        """condition, x and y."""
        return ("condition", "x", "y")

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """x, y and the output from each other; not condition, since it can have two shapes.

        Raises ShapeError if the shapes do not fit.
        """
        condition, x, y = in_shapes
        shape = merge_all([x, y, out_shapes[0]], ["where: x", "where: y", "where: output"])
        if condition is not None and shape:
            condition = merge(condition, shape[:1] if len(condition) == 1 else shape, "where: condition")
        return [condition, shape, shape], [shape]

    def _condition(self, condition: Array, axes: int) -> Array:
        """True where x is chosen, with extents of 1 added so that it broadcasts to x."""
        chosen: Array = condition != 0
        return chosen.reshape(chosen.shape + (1,) * (axes - chosen.ndim))

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy y, then x over it where the condition holds."""
        condition, x, y = inputs
        outputs[0][...] = y  # not xp.where, which would make a new array
        step.xp.copyto(outputs[0], x, where=self._condition(condition, x.ndim))

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """dy for the input that was chosen, zero for the other and for condition."""
        condition = self._condition(inputs[0], inputs[1].ndim)
        if in_grads[0] is not None:
            in_grads[0].fill(0)
        for grad, chosen in zip(in_grads[1:], (condition, ~condition), strict=True):
            if grad is not None:
                step.xp.multiply(out_grads[0], chosen, out=grad)


def bounded(values: Array, extent: int, mode: str) -> Array:
    """`values` as integers of the same shape in [0, extent): the nearest (mode "clip") or the remainder ("wrap")."""
    whole = np.trunc(values)
    inside = np.clip(whole, 0, extent - 1) if mode == "clip" else np.mod(whole, extent)
    # NaN becomes index 0: converting it to an integer is undefined and would be an address outside the array.
    indices: Array = np.nan_to_num(inside).astype(np.intp)
    return indices
