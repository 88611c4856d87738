"""Pooling in two dimensions: windows that may overlap or stand in a border, and one window over the whole plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...array import Array, Shape
from ...ops.operator import Step
from ..device import Device

if TYPE_CHECKING:
    from ...ops.pooling import Pooling

_LANES = 32  # threads that work on one plane


def handles(op: Pooling, data: Shape) -> bool:
    """Whether a kernel here covers the operator's options for data of that shape."""
    whole = is_whole_plane(op, data)
    return op.pool_type != "lp" and not op.to_first() and (len(data) == 4 or (whole and len(data) > 2))


def is_whole_plane(op: Pooling, data: Shape) -> bool:
    """Whether the one window is the plane itself."""
    return bool(op.global_pool or (tuple(op.kernel) == tuple(data[2:]) and not any(op.pad)))


def pool_kernel(device: Device, op: Pooling, data: Shape, out: Shape) -> PoolKernel | WholePlanePoolKernel | None:
    """The kernel for these shapes; None if `handles` says no. To be called while the device is active."""
    if not handles(op, data):
        return None
    return WholePlanePoolKernel(device, op, data) if is_whole_plane(op, data) else PoolKernel(device, op, data, out)


class PoolKernel:
    """data (n, C, H, W) -> (n, C, OH, OW): max, mean or sum of each window, the same bits as the plain version.

    Of a maximum the place in the window is kept, so that backward need not read the data again. It goes over the
    elements of the data, each of which looks at the windows that cover it: nothing is added by two threads.
    """

    def __init__(self, device: Device, op: Pooling, data: Shape, out: Shape) -> None:
        windows = op.windows(data)
        small = math.prod(windows.kernel) <= 1 << 8
        self.taps = device.empty(out if op.pool_type == "max" else (0,), np.uint8 if small else np.int32)
        self._module = device.module(
            "pooling",
            POOL=op.pool_type.upper(),
            TAP="unsigned char" if small else "int",
            BORDER=int(op.count_include_pad is not False),
            **dict(
                zip(("KH", "KW", "SH", "SW", "PH", "PW"), windows.kernel + windows.stride + windows.pad, strict=True)
            ),
        )

    def forward(self, step: Step, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """One value per window."""
        data, out = inputs[0], outputs[0]
        self._module.over("forward", out.size, (data, out, self.taps, np.int64(out.size), *_extents(data, out)))

    def backward(
        self,
        step: Step,
        out_grads: Sequence[Array],
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        in_grads: Sequence[Array | None],
    ) -> None:
        """To the first maximum of each window, or in equal parts to all of it."""
        grad, target = out_grads[0], in_grads[0]
        if target is not None:
            args = (grad, self.taps, target, np.int64(target.size), *_extents(target, grad))
            self._module.over("backward", target.size, args)


class WholePlanePoolKernel:
    """data (n, C, H, W), or with another number of axes, -> (n, C, 1, 1): one window over each plane."""

    def __init__(self, device: Device, op: Pooling, data: Shape) -> None:
        self.pixels = np.int32(math.prod(data[2:]))
        self.winners = device.empty((data[0] * data[1] if op.pool_type == "max" else 0,), np.int32)
        self._module = device.module("plane_pooling", POOL=op.pool_type.upper())

    def forward(self, step: Step, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """One value per plane."""
        out = outputs[0]
        self._module.over("forward", out.size * _LANES, (inputs[0], out, self.winners, np.int64(out.size), self.pixels))

    def backward(
        self,
        step: Step,
        out_grads: Sequence[Array],
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        in_grads: Sequence[Array | None],
    ) -> None:
        """To the first maximum of each plane, or in equal parts to all of it."""
        target = in_grads[0]
        if target is not None:
            args = (out_grads[0], self.winners, target, np.int64(target.size), self.pixels)
            self._module.over("backward", target.size, args)


def _extents(data: Array, out: Array) -> tuple[np.int32, ...]:
    return tuple(np.int32(extent) for extent in (*data.shape[2:], *out.shape[2:]))
