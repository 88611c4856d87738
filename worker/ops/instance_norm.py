"""Normalisation within a row: InstanceNorm over each channel's positions, LayerNorm along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...common.errors import ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Float, Int
from .shapes import is_batch_axis, merge, merge_all


class BaseRowNorm(Operator, abstract=True):
    """y = (x - mean) / sqrt(variance + eps) * gamma + beta, with mean and (biased) variance over the axes `reduced`.

    x and y have one shape; gamma and beta are vectors along the axis `scaled`.
    """

    eps = Float(1e-3, low=0.0)

    def scaled(self, axes: int) -> int:
        """The axis along which gamma and beta lie, for data with that many axes."""
        raise NotImplementedError

    def reduced(self, axes: int) -> tuple[int, ...]:
        """The axes over which mean and variance are taken, for data with that many axes."""
        raise NotImplementedError

    def check_axes(self, data: Shape) -> None:
        """Raise ShapeError if data lacks the axes that are needed."""
        raise NotImplementedError

    def arguments(self) -> tuple[str, ...]:
        """data, gamma, beta."""
        return ("data", "gamma", "beta")

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Data and output from each other, and the extent of the scaled axis from whichever array has it.

        Raises ShapeError if data lacks axes or the shapes contradict each other.
        """
        name = self.op_name()
        data = merge(in_shapes[0], out_shapes[0], f"{name}: data")
        scale = merge_all(in_shapes[1:], [f"{name}: gamma", f"{name}: beta"])
        if data is not None:
            self.check_axes(data)
            axis = self.scaled(len(data))
            scale = merge(scale, (data[axis],), f"{name}: gamma")
            data = data if scale is None else (*data[:axis], scale[0], *data[axis + 1 :])
        return [data, scale, scale], [data]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Normalise data, scale it by gamma and shift it by beta; write the statistics if they are outputs."""
        data, gamma, beta = inputs
        out = outputs[0]
        statistics = self._normalise(step.xp, data, out)
        out *= self._beside(gamma, data)
        out += self._beside(beta, data)
        for target, value in zip(outputs[1:], statistics, strict=False):  # only LayerNorm can have such outputs
            target[...] = value

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """With normalised data h and d = dy gamma: gamma gets sum dy h, beta gets sum dy.

        Data gets (d - mean d - h mean(d h)) / sqrt(variance + eps), by the chain rule as in BatchNorm.
        """
        xp, data, head = step.xp, inputs[0], out_grads[0]
        normal = xp.empty_like(data)
        _, deviation = self._normalise(xp, data, normal)
        others = tuple(axis for axis in range(data.ndim) if axis != self.scaled(data.ndim))
        # gamma's gradient needs h as it is, before data's gradient changes `normal` in place.
        if in_grads[1] is not None:
            in_grads[1][...] = xp.sum(head * normal, axis=others)
        if in_grads[2] is not None:
            in_grads[2][...] = xp.sum(head, axis=others)
        grad = in_grads[0]
        if grad is not None:
            over = self.reduced(data.ndim)
            # In this order, since both means are of d, which `grad` holds until the first subtraction.
            xp.multiply(head, self._beside(inputs[1], data), out=grad)
            normal *= xp.mean(grad * normal, axis=over, keepdims=True)
            grad -= xp.mean(grad, axis=over, keepdims=True)
            grad -= normal
            grad /= deviation

    def _normalise(self, xp: Any, data: Array, out: Array) -> tuple[Array, Array]:
        """Write (data - mean) / deviation to `out`; mean and deviation, sqrt(variance + eps), with extents of 1."""
        over = self.reduced(data.ndim)
        # The variance is taken of the centred data: E[x^2] - E[x]^2 would cancel where the mean is large.
        mean = xp.mean(data, axis=over, dtype=np.float64, keepdims=True)
        xp.subtract(data, mean, out=out)
        deviation = xp.sqrt(xp.mean(xp.square(out), axis=over, keepdims=True) + self.eps)
        out /= deviation
        return mean, deviation

    def _beside(self, vector: Array, data: Array) -> Array:
        """gamma or beta, reshaped so that it broadcasts to data."""
        axis = self.scaled(data.ndim)
        # (C,) becomes (1, C, 1, ...) for axis 1.
        return vector.reshape(*(-1 if each == axis else 1 for each in range(data.ndim)))


class InstanceNorm(BaseRowNorm):
    """y = (x - mean) / sqrt(variance + eps) * gamma + beta, with statistics over the positions of each row and channel.

    data (N, C, ...) and the output have one shape; gamma and beta are (C,).

    Ulyanov, Vedaldi, Lempitsky: "Instance normalization" (2016).
    """

    def scaled(self, axes: int) -> int:
        """1, the axis of channels."""
        return 1

    def reduced(self, axes: int) -> tuple[int, ...]:
        """All axes after the channels."""
        return tuple(range(2, axes))

    def check_axes(self, data: Shape) -> None:
        """Raise ShapeError unless data has at least 3 axes: rows, channels, positions."""
        if len(data) < 3:
            raise ShapeError("InstanceNorm: data", expected="rows, channels, positions: at least 3 axes", got=data)


class LayerNorm(BaseRowNorm):
    """y = (x - mean) / sqrt(variance + eps) * gamma + beta, with statistics along `axis` for every other index.

    data and the output have one shape; gamma and beta are as long as `axis`. output_mean_var adds the outputs mean and
    std (the latter sqrt(variance + eps)), with extent 1 on `axis`; no gradient passes through them.
    Ba, Kiros, Hinton: "Layer normalization" (2016).
    """

    eps = Float(1e-5, low=0.0)
    axis = Int(-1)
    output_mean_var = Bool(False)

    def outputs(self) -> tuple[str, ...]:
        """output and, with output_mean_var, mean and std."""
        return ("output", "mean", "std") if self.output_mean_var else ("output",)

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if `axis` is the batch axis; whether a negative one is it depends on the shapes."""
        return is_batch_axis(self.axis, in_shapes)

    def scaled(self, axes: int) -> int:
        """`axis`, counted from the front."""
        return self.axis % axes

    def reduced(self, axes: int) -> tuple[int, ...]:
        """`axis` alone, counted from the front."""
        return (self.axis % axes,)

    def check_axes(self, data: Shape) -> None:
        """Raise ShapeError if data has no axis `axis`."""
        if not -len(data) <= self.axis < len(data):
            raise ShapeError("LayerNorm: data", expected=f"a shape with axis {self.axis}", got=data)

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """As in the base class; the outputs mean and std have data's shape with extent 1 on `axis`.

        Raises ShapeError if data has no such axis or the shapes contradict each other.
        """
        inputs, outputs = super().infer_shape(in_shapes, out_shapes[:1])
        data, kept = inputs[0], None
        if data is not None:
            axis = self.scaled(len(data))
            kept = (*data[:axis], 1, *data[axis + 1 :])
        return inputs, [*outputs, *[kept] * (len(out_shapes) - 1)]
