"""Image patches as the columns of a matrix, for one band of output rows, and the way back.

A column per output pixel, ordered (c, ky, kx): the weight as it lies times these columns is the output as it lies. The
border of zeros is made here, so that no padded copy of the image is needed.
"""

from __future__ import annotations

from ...common.jit import kernel
from ..array import Array
from .strided import read_strided


@kernel
def _inside(tap: int, extent: int, count: int, stride: int) -> tuple[int, int]:
    """Windows low to high read pixel o * stride + tap within [0, extent); the others read the border."""
    low = min(count, max(0, -(tap // stride)))
    high = max(low, min(count, (extent - 1 - tap) // stride + 1))
    return low, high


@kernel
def image_to_columns(
    image: Array,
    columns: Array,
    start: int,
    rows: tuple[int, int],
    out_w: int,
    kernel_hw: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    dilate: tuple[int, int],
) -> None:
    """image (C, H, W), output rows from rows[0] to rows[1] -> columns (C * kh * kw, any), from column `start` on."""
    channels, height, width = image.shape
    taps = kernel_hw[0] * kernel_hw[1]
    for k in range(channels * taps):
        c, ky, kx = k // taps, k % taps // kernel_hw[1], k % kernel_hw[1]
        shift = kx * dilate[1] - pad[1]
        low, high = _inside(shift, width, out_w, stride[1])
        position = start
        for o in range(rows[0], rows[1]):
            place = columns[k, position : position + out_w]
            position += out_w
            y = o * stride[0] + ky * dilate[0] - pad[0]
            if y < 0 or y >= height:
                place[:] = 0
                continue
            for x in range(low):
                place[x] = 0
            read_strided(image[c, y, max(0, low * stride[1] + shift) :], place[low:high], stride[1])
            for x in range(high, out_w):
                place[x] = 0


@kernel
def add_columns_to_image(
    columns: Array,
    image: Array,
    start: int,
    rows: tuple[int, int],
    out_w: int,
    kernel_hw: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    dilate: tuple[int, int],
) -> None:
    """The transpose of `image_to_columns`: add every column to the patch that it came from."""
    channels, height, width = image.shape
    taps = kernel_hw[0] * kernel_hw[1]
    for k in range(channels * taps):
        c, ky, kx = k // taps, k % taps // kernel_hw[1], k % kernel_hw[1]
        shift = kx * dilate[1] - pad[1]
        low, high = _inside(shift, width, out_w, stride[1])
        position = start
        for o in range(rows[0], rows[1]):
            added = columns[k, position + low : position + high]
            position += out_w
            y = o * stride[0] + ky * dilate[0] - pad[0]
            if y < 0 or y >= height:
                continue
            place = image[c, y, max(0, low * stride[1] + shift) :]
            if stride[1] == 1:
                for x in range(added.size):
                    place[x] += added[x]
            else:
                for x in range(added.size):
                    place[x * stride[1]] += added[x]
