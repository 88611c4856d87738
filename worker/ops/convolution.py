"""Convolution: each output pixel is a weighted sum over a window of the input's channels.

It is computed tap by tap: each place of the kernel contributes one matrix product over all windows at once.
"""

from __future__ import annotations

from typing import Any, Protocol

from ...common.errors import ParameterError, ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Choice, Int, Ints, Optional
from .shapes import merge, product
from .windows import Windows

# Layouts with channels last are refused; in MXNet, too, convolutions take them on GPUs only.
LAYOUTS = {1: "NCW", 2: "NCHW", 3: "NCDHW"}  # number of spatial axes -> the only layout that is computed


class Filtering(Protocol):
    """The parameters that a convolution and its transpose have in common."""

    kernel: Any
    layout: Any
    num_filter: Any
    num_group: Any


def check_filters(operator: str, op: Filtering) -> None:
    """Check what a convolution and its transpose have in common; `operator` is the name for error messages.

    Raises ParameterError unless the kernel has one to three axes, the layout is the one for that number, and the
    filters divide into groups.
    """
    if len(op.kernel) not in LAYOUTS:
        raise ParameterError(f"{operator}: parameter kernel", expected="1 to 3 numbers", got=op.kernel)
    if op.layout not in (None, LAYOUTS[len(op.kernel)]):
        raise ParameterError(f"{operator}: parameter layout", expected=LAYOUTS[len(op.kernel)], got=op.layout)
    if op.num_filter % op.num_group:
        raise ParameterError(
            f"{operator}: parameter num_filter", expected=f"a multiple of num_group {op.num_group}", got=op.num_filter
        )


class Convolution(Operator):
    """data (N, C, H, W), weight (num_filter, C / num_group, KH, KW), bias (num_filter,) -> (N, num_filter, OH, OW).

    OH = floor((H + 2 pad - dilate (KH - 1) - 1) / stride) + 1. Kernels can also have one or three axes. With
    num_group > 1, channels and filters are divided into groups, and each group of filters reads only its own channels.
    workspace (at most so many MiB of scratch memory), cudnn_tune (choose the fastest algorithm by timing) and cudnn_off
    matter for cuDNN only.
    """

    aliases = ("Convolution_v1",)
    kernel = Ints(minimum=1)
    stride = Ints((), minimum=1)
    dilate = Ints((), minimum=1)
    pad = Ints((), minimum=0)
    num_filter = Int(minimum=1)
    num_group = Int(1, minimum=1)
    workspace = Int(1024, minimum=0)
    no_bias = Bool(False)
    cudnn_tune = Optional(Choice("off", "limited_workspace", "fastest"))
    cudnn_off = Bool(False)
    layout = Optional(Choice(*LAYOUTS.values()))

    def check(self) -> None:
        """Raise ParameterError if the kernel has not one to three axes or stride, pad, dilate or groups do not fit."""
        check_filters("Convolution", self)
        self.windows()  # checks the lengths of stride, pad and dilate

    def windows(self) -> Windows:
        """The geometry of the windows, with defaults filled in. Raises ParameterError if lengths differ."""
        return Windows.of("Convolution", self.kernel, self.stride, self.pad, self.dilate)

    def arguments(self) -> tuple[str, ...]:
        """data, weight and, unless no_bias, bias."""
        return ("data", "weight") if self.no_bias else ("data", "weight", "bias")

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Weight, bias and output from data; data's batch, and its extents where the stride is 1, from the output.

        Raises ShapeError if data has the wrong number of axes, is smaller than a window, or does not fit the groups.
        """
        data, out = in_shapes[0], out_shapes[0]
        windows = self.windows()
        windows.check_data("Convolution", data)
        channels = data[1] if data else 0
        if channels % self.num_group:
            raise ShapeError(
                "Convolution: data", expected=f"channels divisible by num_group {self.num_group}", got=data
            )
        filters = (self.num_filter, channels // self.num_group, *self.kernel)
        shapes = [data, merge(in_shapes[1], filters, "Convolution: weight")]
        if not self.no_bias:
            shapes.append(merge(in_shapes[2], (self.num_filter,), "Convolution: bias"))
        if data is not None:
            out = merge(out, self._output(windows, data), "Convolution: output")
            assert out is not None
            shapes[0] = merge(data, self._input(windows, out, data), "Convolution: data")
        return shapes, [out]

    def _output(self, windows: Windows, data: Shape) -> Shape:
        """The output's shape from data's; 0 where data's extent is unknown."""
        rules = zip(data[2:], windows.pad, windows.span(), windows.stride, strict=True)
        return (data[0], self.num_filter, *((n + 2 * p - span) // s + 1 if n else 0 for n, p, span, s in rules))

    def _input(self, windows: Windows, out: Shape, data: Shape) -> Shape:
        """What follows for data from the output: with stride 1 every extent, otherwise only the number of rows."""
        rules = zip(out[2:], windows.pad, windows.span(), windows.stride, strict=True)
        return (out[0], data[1], *(n + span - 1 - 2 * p if n and s == 1 else 0 for n, p, span, s in rules))

    def _groups(self, pixels: Array) -> Array:
        """(N, C, ...) as (N, groups, C / groups, pixels)."""
        size = product(pixels.shape[2:])
        return pixels.reshape(pixels.shape[0], self.num_group, pixels.shape[1] // self.num_group, size)

    def _filters(self, weight: Array) -> Array:
        """A view of the weight as (kernel axes ..., groups, filters / groups, channels / groups).

        Indexed with a tap it gives the matrix of that tap, and writing to it writes to the weight.
        """
        grouped = weight.reshape(self.num_group, -1, *weight.shape[1:])
        return grouped.transpose(*range(3, grouped.ndim), 0, 1, 2)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """For each tap of the kernel, add its filters times the pixels that it reads."""
        data, weight, out = inputs[0], inputs[1], outputs[0]
        windows, count = self.windows(), out.shape[2:]
        padded = windows.padded(step.xp, data, count)
        filters = self._filters(weight)
        # Per tap: (groups, filters / group, channels / group) times (N, groups, channels / group, pixels).
        out[...] = 0 if self.no_bias else inputs[2].reshape(-1, *(1,) * len(count))
        for tap, index in windows.taps(count):
            touched = self._groups(padded[index])
            out += step.xp.matmul(filters[tap], touched).reshape(out.shape)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Tap by tap: dW from dy and the pixels read, dx from dy and the filters; db is the sum of dy."""
        xp, data, weight, grad = step.xp, inputs[0], inputs[1], self._groups(out_grads[0])
        windows, count = self.windows(), out_grads[0].shape[2:]
        if not self.no_bias and in_grads[2] is not None:
            xp.sum(out_grads[0], axis=(0, *range(2, 2 + len(count))), out=in_grads[2])
        if in_grads[1] is not None:
            padded = windows.padded(xp, data, count)
            filters = self._filters(in_grads[1])  # a view, through which the gradient is written tap by tap
            for tap, index in windows.taps(count):
                touched = self._groups(padded[index])
                # (N, groups, filters / group, pixels) times (N, groups, pixels, channels / group), summed over rows.
                filters[tap] = xp.sum(xp.matmul(grad, touched.swapaxes(2, 3)), axis=0)
        if in_grads[0] is not None:
            self._data_gradient(xp, windows, weight, out_grads[0], in_grads[0])

    def _data_gradient(self, xp: Any, windows: Windows, weight: Array, out_grad: Array, in_grad: Array) -> None:
        count = out_grad.shape[2:]
        grad = self._groups(out_grad)
        filters = self._filters(weight)
        in_grad.fill(0)  # also makes the padded copy below start from zeros
        # Windows overlap, so taps are added up; in a padded array, those that fall on the border need no special case.
        padded = windows.padded(xp, in_grad, count)
        for tap, index in windows.taps(count):
            part = xp.matmul(filters[tap].swapaxes(1, 2), grad)
            padded[index] += part.reshape(padded[index].shape)
        in_grad[...] = padded[windows.inside(in_grad.shape)]
