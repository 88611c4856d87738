"""Pooling in two dimensions: windows that may overlap or reach into a border, and one window over the whole plane."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...array import Array, Arrays, Gradients, Shape
from ...ops.operator import Step
from ..device import Device
from .channel_packs import element, memory_of, pack_module, pack_size

if TYPE_CHECKING:
    from ...ops.pooling import Pooling
    from ...ops.windows import Windows

_LANES = 32  # threads that work on one plane


def handles(op: Pooling, data: Shape) -> bool:
    """Whether a kernel here covers the operator's options for data of that shape."""
    # Norms and data whose layout names the channels last are left to the plain version.
    whole = is_whole_plane(op, data)
    return op.pool_type != "lp" and not op.to_first() and (len(data) == 4 or (whole and len(data) > 2))


def is_whole_plane(op: Pooling, data: Shape) -> bool:
    """Whether there is one window, which is the plane itself."""
    fits = tuple(op.kernel) == tuple(data[2:]) and not any(op.pad) and op.pooling_convention != "same"
    return bool(op.global_pool or fits)


def pool_kernel(
    device: Device, op: Pooling, data: Shape, out: Shape, last: str | None = None
) -> PoolKernel | WholePlanePoolKernel | ChannelsLastPoolKernel | None:
    """The kernel for data and output of these shapes; None if `handles` says no.

    `last`: the math (see channel_packs.py) of data with channels last; None for float32 in C order. To be called while
    the device is active.
    """
    if not handles(op, data):
        return None
    if last:
        return ChannelsLastPoolKernel(device, op, data, out, last)
    return WholePlanePoolKernel(device, op, data) if is_whole_plane(op, data) else PoolKernel(device, op, data, out)


class PoolKernel:
    """data (n, C, H, W) -> (n, C, OH, OW): max, mean or sum of each window, the same bits as the plain version.

    For a maximum, its place in the window is kept, so that backward need not read the data again. Backward has a thread
    for each element of the data, which looks at the windows that cover it: no two threads add to the same number.
    """

    def __init__(self, device: Device, op: Pooling, data: Shape, out: Shape) -> None:
        self.taps = _taps(device, op, data, out)
        self._module = device.module("pooling", **_macros(op, op.windows(data)))

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write one value per window."""
        data, out = inputs[0], outputs[0]
        self._module.over("forward", out.size, (data, out, self.taps, np.int64(out.size), *_extents(data, out)))

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write data's gradient: each window's to its first maximum, or in equal parts to all of it."""
        grad, target = out_grads[0], in_grads[0]
        if target is not None:
            args = (grad, self.taps, target, np.int64(target.size), *_extents(target, grad))
            self._module.over("backward", target.size, args)


class WholePlanePoolKernel:
    """data (n, C, ...) -> (n, C, 1, ...): one window over each plane, whatever its number of axes."""

    def __init__(self, device: Device, op: Pooling, data: Shape) -> None:
        self.pixels = np.int32(math.prod(data[2:]))
        # The number of the largest pixel of each plane; nothing if there is no maximum to remember.
        self.winners = device.empty((data[0] * data[1] if op.pool_type == "max" else 0,), np.int32)
        self._module = device.module("plane_pooling", POOL=op.pool_type.upper())

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write one value per plane."""
        out = outputs[0]
        self._module.over("forward", out.size * _LANES, (inputs[0], out, self.winners, np.int64(out.size), self.pixels))

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write data's gradient: each plane's to its first maximum, or in equal parts to all of it."""
        target = in_grads[0]
        if target is not None:
            args = (out_grads[0], self.winners, target, np.int64(target.size), self.pixels)
            self._module.over("backward", target.size, args)


class ChannelsLastPoolKernel:
    """As PoolKernel, for data (n, C, H, W) with channels last.

    What it makes of whole planes is float32: one pixel has the same order in both formats, and what follows is plain.
    """

    def __init__(self, device: Device, op: Pooling, data: Shape, out: Shape, math: str) -> None:
        whole = is_whole_plane(op, data)
        windows = op.windows(data)
        if whole:  # the stride may be less, and backward must not look for other windows
            windows = replace(windows, stride=data[2:])
        self.taps, self._pack = _taps(device, op, data, out), pack_size(math, data[1])
        result = "float" if whole else element(math)
        macros = _macros(op, windows)
        self._module = pack_module(device, "channels_last_pooling", math, self._pack, RESULT=result, **macros)
        self._result = _flat if whole else memory_of

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write one value per window."""
        arrays = memory_of(inputs[0]), self._result(outputs[0]), self.taps
        self._over("forward", outputs[0].size, arrays, inputs[0], outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write data's gradient: each window's to its first maximum, or in equal parts to all of it."""
        target = in_grads[0]
        if target is not None:
            arrays = self._result(out_grads[0]), self.taps, memory_of(target)
            self._over("backward", target.size, arrays, target, out_grads[0])

    def _over(self, kernel: str, size: int, arrays: tuple[Array, ...], data: Array, out: Array) -> None:
        count, packs = size // self._pack, np.int32(data.shape[1] // self._pack)
        self._module.over(kernel, count, (*arrays, np.int64(count), packs, *_extents(data, out)))


def _taps(device: Device, op: Pooling, data: Shape, out: Shape) -> Array:
    """Memory of the output's shape for the tap of each window's maximum; a byte is enough for up to 256 taps."""
    # One byte is a quarter of the traffic of an int; both types are in `_macros`, too.
    small = math.prod(op.windows(data).kernel) <= 1 << 8
    return device.empty(out if op.pool_type == "max" else (0,), np.uint8 if small else np.int32)


def _macros(op: Pooling, windows: Windows) -> dict[str, str | int]:
    """The macros of source/windows.cuh. As constants they let the compiler unroll the loops over a window."""
    names = "KH", "KW", "SH", "SW", "PH", "PW"
    return {
        "POOL": op.pool_type.upper(),
        "TAP": "unsigned char" if math.prod(windows.kernel) <= 1 << 8 else "int",
        "BORDER": int(op.count_include_pad is not False),
        **dict(zip(names, windows.kernel + windows.stride + windows.pad, strict=True)),
    }


def _flat(array: Array) -> Array:
    return array.reshape(-1)


def _extents(data: Array, out: Array) -> tuple[np.int32, ...]:
    return tuple(np.int32(extent) for extent in (*data.shape[2:], *out.shape[2:]))
