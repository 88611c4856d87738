"""Operators that work element by element on arrays (N, C, H, W) with channels last: activations, clip and Concat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...array import Array, Arrays, Gradients, Shape
from ...ops.operator import Step
from ..compiled_source import Module
from ..device import Device
from .channel_packs import memory_of, pack_module, pack_size

if TYPE_CHECKING:
    from ...ops.clip import Clip


Bounds = tuple[np.float32, np.float32]  # low, high


class ChannelsLastArrays:
    """Kernels over arrays of shape (N, C, H, W), C being `channels`, and for one activation (None for none).

    All arrays of a call have one shape, and may be the same.
    """

    def __init__(self, device: Device, math: str, channels: int, act_type: str | None = None) -> None:
        pack = pack_size(math, channels)
        self._module = elementwise(device, math, pack, act_type)
        self._pack, self._packs = pack, np.int32(channels // pack)

    def activate(self, x: Array, out: Array) -> None:
        """out = f(x)."""
        self._over("activate", x, out)

    def activate_with_bias(self, x: Array, bias: Array) -> None:
        """x = f(x + bias) in place, bias (C,) in float32."""
        count = x.size // self._pack
        self._module.over("activate_with_bias", count, (memory_of(x), bias, np.int64(count), self._packs))

    def slope_times(self, out: Array, grad: Array, target: Array) -> None:
        """target = grad * f'(x), from out = f(x)."""
        self._over("slope_times", out, grad, target)

    def clip(self, x: Array, out: Array, bounds: Bounds) -> None:
        """out = x, or the bound that it exceeds."""
        self._over("clip", x, out, numbers=bounds)

    def clip_gradient(self, x: Array, grad: Array, target: Array, bounds: Bounds) -> None:
        """target = grad where x lies within the bounds, these included, and 0 elsewhere."""
        self._over("clip_gradient", x, grad, target, numbers=bounds)

    def _over(self, kernel: str, *arrays: Array, numbers: Sequence[np.float32] = ()) -> None:
        count = arrays[0].size // self._pack
        self._module.over(kernel, count, (*map(memory_of, arrays), np.int64(count), *numbers))


class ChannelsLastActivationKernel:
    """Activation of data (N, C, H, W) with channels last -> the same."""

    def __init__(self, device: Device, act_type: str, shape: Shape, math: str) -> None:
        self._arrays = ChannelsLastArrays(device, math, shape[1], act_type)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write f(x)."""
        self._arrays.activate(inputs[0], outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write dy f'(x), computed from the output."""
        if in_grads[0] is not None:
            self._arrays.slope_times(outputs[0], out_grads[0], in_grads[0])


class ChannelsLastClipKernel:
    """clip of data (N, C, H, W) with channels last -> the same."""

    def __init__(self, device: Device, op: Clip, shape: Shape, math: str) -> None:
        self._arrays = ChannelsLastArrays(device, math, shape[1])
        self._bounds = np.float32(op.a_min), np.float32(op.a_max)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write x, or the bound that it exceeds."""
        self._arrays.clip(inputs[0], outputs[0], self._bounds)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write dy where x lies within the bounds, and 0 elsewhere."""
        if in_grads[0] is not None:
            self._arrays.clip_gradient(inputs[0], out_grads[0], in_grads[0], self._bounds)


class ChannelsLastConcatKernel:
    """Concat along the channels of arrays with channels last: (N, C_i, H, W) -> (N, sum of C_i, H, W)."""

    def __init__(self, device: Device, in_shapes: Sequence[Shape], out: Shape, math: str) -> None:
        widths = [shape[1] for shape in in_shapes]
        pack = pack_size(math, *widths)  # one size for all, so that every part begins with a whole pack
        self._module = elementwise(device, math, pack)
        self._widths, self._whole = [width // pack for width in widths], out[1] // pack
        self._firsts = [sum(self._widths[:number]) for number in range(len(widths))]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the inputs side by side: one copy of columns for each."""
        for part, first, width in zip(inputs, self._firsts, self._widths, strict=True):
            self._copy(part, outputs[0], (width, 0, self._whole, first), width)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write to each gradient its own channels."""
        for part, first, width in zip(in_grads, self._firsts, self._widths, strict=True):
            if part is not None:
                self._copy(out_grads[0], part, (self._whole, first, width, 0), width)

    def _copy(self, source: Array, target: Array, columns: tuple[int, ...], width: int) -> None:
        # columns: packs of a row and first pack, of the source and of the target; `width` packs of each row are copied.
        count = (source.size // source.shape[1]) * width
        numbers = (*map(np.int32, columns), np.int32(width), np.int64(count))
        self._module.over("copy_columns", count, (memory_of(source), memory_of(target), *numbers))


def elementwise(device: Device, math: str, pack: int, act_type: str | None = None) -> Module:
    """The kernels of source/elementwise.cu for packs of that many elements, and for one activation."""
    return pack_module(device, "elementwise", math, pack, ACT=(act_type or "none").upper())
