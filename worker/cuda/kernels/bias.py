"""The gradient of a bias: a sum for each channel, in an order that depends on the shape alone.

Rows are cut into parts that blocks add up at the same time; a second launch adds up the parts. No atomics, which would
add in an undefined order.
"""

from __future__ import annotations

import numpy as np

from ...array import Array
from ..device import Device

_BLOCKS = 512  # wanted: enough to occupy every multiprocessor of a large GPU
_COLUMNS = 32  # channels of a block of `column_sums`, as in source/bias.cu


def bias_scratch(device: Device, grad: Array, channels: int, inner: int = 1) -> Array:
    """Memory (parts, channels) for the partial sums of `bias_gradient`, for gradients of the size of `grad`.

    To be made once and kept: a captured graph goes on using it.
    """
    return device.empty((_parts(grad.size // max(1, channels * inner), channels, inner), channels))


def bias_gradient(device: Device, grad: Array, target: Array, scratch: Array, inner: int = 1) -> None:
    """target (channels,) = the sum of grad, which lies in memory as (rows, channels, inner), over rows and inner."""
    channels, parts = int(target.size), len(scratch)
    rows = grad.size // max(1, channels * inner)
    _sums(device, grad, scratch if parts > 1 else target, rows, channels, inner, parts)
    if parts > 1:
        _sums(device, scratch, target, parts, channels, 1, 1)


def _sums(device: Device, grad: Array, out: Array, rows: int, channels: int, inner: int, parts: int) -> None:
    kernel, columns = ("column_sums", _COLUMNS) if inner == 1 else ("plane_sums", 1)
    args = (grad, out, np.int64(rows), np.int32(channels), np.int64(inner))
    device.module("bias").launch(kernel, (-(-channels // columns), parts), args)


def _parts(rows: int, channels: int, inner: int) -> int:
    """Into how many parts the rows are cut: as many as fill the GPU, as long as each has enough work for a block."""
    # Worth a part: 64 rows of a matrix, or 2048 numbers of planes, that is 8 for each thread of a block either way.
    wanted = -(-_BLOCKS // (-(-channels // (_COLUMNS if inner == 1 else 1))))
    worthwhile = rows // 64 if inner == 1 else min(rows, rows * inner // 2048)
    return max(1, min(wanted, worthwhile))
