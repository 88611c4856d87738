"""Pooling: the maximum, mean, sum or norm of each window of a channel.

As in convolution.py, the loop is over the taps of the kernel; each handles one element of all windows at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.errors import ParameterError, ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Choice, Int, Ints, Optional
from .shapes import merge, merge_rows
from .windows import Windows


class Pooling(Operator):
    """data (N, C, H, W) -> (N, C, OH, OW), one value per window and channel; there may also be 1 or 3 spatial axes.

    pooling_convention decides how many windows there are: valid floor((H + 2 pad - KH) / stride) + 1, full the same
    with ceil, same ceil(H / stride) (without padding). global_pool uses one window over everything. A mean divides
    by the window's size within the padded image, or within the image itself with count_include_pad=False. The
    gradient of max goes to the first largest element of the window. lp is (sum of x^p)^(1/p), p being p_value; its
    gradient is 0 where it is 0 itself. Layouts that end in C have the channels on the last axis.
    """

    aliases = ("Pooling_v1",)
    kernel = Ints((), minimum=1)
    pool_type = Choice("max", "avg", "sum", "lp", default="max")
    global_pool = Bool(False)
    pooling_convention = Choice("valid", "full", "same", default="valid")
    stride = Ints((), minimum=1)
    pad = Ints((), minimum=0)
    p_value = Optional(Int(minimum=1, maximum=3))
    count_include_pad = Optional(Bool())
    cudnn_off = Bool(False)
    layout = Optional(Choice("NCW", "NCHW", "NCDHW", "NWC", "NHWC", "NDHWC"))

    def check(self) -> None:
        """Raise ParameterError unless there is a kernel (or global_pool), a p_value for lp, and the rest fits them.

        Padding must be less than the kernel, as a window could lie in the padding alone; `same` allows none.
        """
        if self.pool_type == "lp" and self.p_value is None:
            raise ParameterError('Pooling: missing parameter p_value for pool_type="lp"', expected="1, 2 or 3")
        if self.layout and self.kernel and len(self.layout) != len(self.kernel) + 2:
            expected = f"a layout of {len(self.kernel) + 2} axes for a kernel of {len(self.kernel)}"
            raise ParameterError("Pooling: parameter layout", expected=expected, got=self.layout)
        if self.global_pool:  # kernel, stride and pad are then not used, as in MXNet
            return
        if not self.kernel:
            raise ParameterError("Pooling: missing parameter kernel", remedy="Give a kernel or set global_pool=True.")
        windows = Windows.of("Pooling", self.kernel, self.stride, self.pad)
        if any(p >= k for p, k in zip(windows.pad, windows.kernel, strict=True)):
            raise ParameterError("Pooling: parameter pad", expected=f"less than kernel {self.kernel}", got=self.pad)
        if self.pooling_convention == "same" and any(windows.pad):
            raise ParameterError('Pooling: parameter pad with pooling_convention="same"', expected="0", got=self.pad)

    def windows(self, data: Shape) -> Windows:
        """The geometry of the windows for data of that shape, (N, C, ...)."""
        if self.global_pool:
            return Windows.of("Pooling", data[2:], (), ())
        return Windows.of("Pooling", self.kernel, self.stride, self.pad)

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Output from data, and the batch size from the output.

        Raises ShapeError if data has the wrong number of axes, is smaller than a window, or a window misses it.
        """
        data, out = self._infer(_permuted(in_shapes[0], self.to_first()), _permuted(out_shapes[0], self.to_first()))
        return [_permuted(data, self._to_last())], [_permuted(out, self._to_last())]

    def to_first(self) -> Shape:
        """The axes of an array of this layout in the order (N, C, ...); empty if they are in that order already."""
        axes = len(self.layout or "")
        return (0, axes - 1, *range(1, axes - 1)) if self.layout and self.layout.endswith("C") else ()

    def _to_last(self) -> Shape:
        """The inverse of `to_first`."""
        axes = len(self.to_first())
        return (0, *range(2, axes), 1) if axes else ()

    def _infer(self, data: PartialShape, out: PartialShape) -> tuple[PartialShape, PartialShape]:
        """As `infer_shape`, for shapes (N, C, ...)."""
        if data is None:
            return data, out
        if self.global_pool and len(data) not in (3, 4, 5):
            raise ShapeError("Pooling: data", expected="(N, C) and one to three spatial axes", got=data)
        windows = self.windows(data)
        windows.check_data("Pooling", data)
        counts = (1,) * (len(data) - 2) if self.global_pool else self._counts(windows, data)
        out = merge(out, (*data[:2], *counts), "Pooling: output")
        return merge_rows(data, out, "Pooling: data"), out

    def _counts(self, windows: Windows, data: Shape) -> Shape:
        """The number of windows along each spatial axis; 0 where the extent is not known."""
        counts = []
        for extent, k, s, p in zip(data[2:], windows.kernel, windows.stride, windows.pad, strict=True):
            room = extent + 2 * p - k
            # -(-a // b) is ceil(a / b), in whole numbers.
            count = {"valid": room // s, "full": -(-room // s), "same": -(-extent // s) - 1}[
                self.pooling_convention
            ] + 1
            # Rounding up can add a window that begins beyond the image: it has no maximum and no mean.
            if extent and (count - 1) * s - p >= extent:
                raise ShapeError(f"Pooling: data (the last window of kernel {k}, stride {s} lies outside)", got=data)
            counts.append(count if extent else 0)
        return tuple(counts)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Take the maximum or the sum over the taps of the kernel; then divide for a mean, take the root for a norm."""
        xp, data, out = step.xp, self._first(inputs[0]), self._first(outputs[0])
        windows, count = self.windows(data.shape), out.shape[2:]
        largest = self.pool_type == "max"
        out.fill(-np.inf if largest else 0)
        # The border is -inf for a maximum, so that it never wins, and 0 for a sum. Counting it or not is the divisor's.
        padded = windows.padded(xp, data, count, -np.inf if largest else 0)
        if self.pool_type == "lp":
            padded **= self.p_value
        for _, index in windows.taps(count):
            (xp.maximum if largest else xp.add)(out, padded[index], out=out)
        if self.pool_type == "avg":
            out /= self.divisor(xp, windows, data.shape[2:], count, data.dtype)
        elif self.pool_type == "lp" and self.p_value > 1:
            (xp.sqrt if self.p_value == 2 else xp.cbrt)(out, out=out)

    def _first(self, array: Array) -> Array:
        """A view of `array` with the axes in the order (N, C, ...)."""
        return array.transpose(self.to_first()) if self.to_first() else array

    def divisor(self, xp: Any, windows: Windows, extents: Shape, count: Shape, dtype: Any) -> Array:
        """By how many elements a mean divides, for each of the `count` windows over planes of those spatial extents.

        The shape is `count`.
        """
        border = self.count_include_pad is not False
        divisor = xp.ones((), dtype=dtype)
        rules = zip(extents, count, windows.kernel, windows.stride, windows.pad, strict=True)
        for extent, n, k, s, p in rules:
            start = xp.arange(n) * s  # in the padded image, in which the image itself lies from p to p + extent
            stop = xp.minimum(start + k, extent + 2 * p if border else extent + p)
            size = stop - (start if border else xp.maximum(start, p))
            divisor = divisor[..., None] * size.astype(dtype)
        result: Array = divisor
        return result

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """max passes the gradient to the first tap that equals the maximum, the others pass it to every tap."""
        if in_grads[0] is None:
            return
        xp, data, out, grad = step.xp, self._first(inputs[0]), self._first(outputs[0]), self._first(in_grads[0])
        out_grad = self._first(out_grads[0])
        windows, count = self.windows(data.shape), out.shape[2:]
        # Gradients are added up in a padded copy, where every tap of every window has a place, and cut out at the end.
        grad.fill(0)
        spread = windows.padded(xp, grad, count)
        if self.pool_type == "max":
            self._to_first_maximum(xp, windows, data, out, out_grad, spread)
        else:
            divided = self._divided(xp, windows, data, out, out_grad)
            for _, index in windows.taps(count):
                spread[index] += divided
        grad[...] = spread[windows.inside(data.shape)]
        if self.pool_type == "lp" and self.p_value > 1:
            grad *= data if self.p_value == 2 else data * data

    def _divided(self, xp: Any, windows: Windows, data: Array, out: Array, out_grad: Array) -> Array:
        """The gradient that every tap of a window gets, (N, C, OH, OW).

        For a norm y it is dy / y^(p-1), yet to be multiplied by the tap's x^(p-1): dy/dx = (x / y)^(p-1).
        """
        if self.pool_type == "avg":
            return out_grad / self.divisor(xp, windows, data.shape[2:], out.shape[2:], data.dtype)
        if self.pool_type == "lp" and self.p_value > 1:
            # Where the norm is 0, the division is by 1 and its result replaced, since 0 / 0 would warn.
            norm = out if self.p_value == 2 else out * out
            divided: Array = xp.where(norm != 0, out_grad / xp.where(norm != 0, norm, 1), 0)
            return divided
        return out_grad

    @staticmethod
    def _to_first_maximum(
        xp: Any, windows: Windows, data: Array, largest: Array, out_grad: Array, spread: Array
    ) -> None:
        """Add each window's gradient to the first tap that holds its maximum, in `spread`, the padded data gradient."""
        count = out_grad.shape[2:]
        padded = windows.padded(xp, data, count, -np.inf)
        # The maximum is looked for again instead of keeping its place, so that backward needs only data and output.
        waiting = xp.ones(out_grad.shape, dtype=bool)
        for _, index in windows.taps(count):
            here = padded[index]
            hit = waiting & ((here == largest) | xp.isnan(here))  # a NaN is the maximum of its window
            spread[index] += xp.where(hit, out_grad, 0)
            waiting &= ~hit


def _permuted(shape: PartialShape, axes: Shape) -> PartialShape:
    """`shape` with its axes in that order; unchanged if their number differs, for `check_data` to refuse."""
    return tuple(shape[axis] for axis in axes) if shape is not None and len(shape) == len(axes) else shape
