"""Copying image patches into the rows or columns of a matrix, and adding them back: what turns convolution into GEMM.

Rows (channels last): one row per output pixel, ordered (ky, kx, c), so that a patch is kh runs of kw*C numbers.
Columns (channels first): one column per output pixel, ordered (c, ky, kx), for inputs of few channels.
All arrays are float32 and C-ordered; padding has been applied by the caller.
"""

from __future__ import annotations

from ...common.jit import kernel
from ..array import Array


@kernel
def channels_last(image: Array, out: Array, pad_h: int, pad_w: int) -> None:
    """(n, C, H, W) into the middle of (n, H + 2 pad_h, W + 2 pad_w, C)."""
    n, channels, height, width = image.shape
    for i in range(n):
        for h in range(height):
            for c in range(channels):
                for w in range(width):
                    out[i, h + pad_h, w + pad_w, c] = image[i, c, h, w]


@kernel
def channels_first(image: Array, out: Array, pad_h: int, pad_w: int) -> None:
    """The middle of (n, H + 2 pad_h, W + 2 pad_w, C) as (n, C, H, W)."""
    n, channels, height, width = out.shape
    for i in range(n):
        for h in range(height):
            for c in range(channels):
                for w in range(width):
                    out[i, c, h, w] = image[i, h + pad_h, w + pad_w, c]


@kernel
def pad_planes(image: Array, out: Array, pad_h: int, pad_w: int) -> None:
    """(n, C, H, W) into the middle of (n, C, H + 2 pad_h, W + 2 pad_w)."""
    n, channels, height, width = image.shape
    for i in range(n):
        for c in range(channels):
            for h in range(height):
                for w in range(width):
                    out[i, c, h + pad_h, w + pad_w] = image[i, c, h, w]


@kernel
def patches_to_rows(
    image: Array,
    rows: Array,
    out_h: int,
    out_w: int,
    kernel_hw: tuple[int, int],
    stride: tuple[int, int],
    dilate: tuple[int, int],
) -> None:
    """(n, H, W, C) to (n * out_h * out_w, kh * kw * C)."""
    n, height, width, channels = image.shape
    flat, target = image.reshape(-1), rows.reshape(-1)
    kernel_h, kernel_w = kernel_hw
    runs, run = (1, kernel_w * channels) if dilate[1] == 1 else (kernel_w, channels)
    position = 0
    for i in range(n):
        for y in range(out_h):
            for x in range(out_w):
                for ky in range(kernel_h):
                    line = (i * height + y * stride[0] + ky * dilate[0]) * width + x * stride[1]
                    for r in range(runs):
                        start = (line + r * dilate[1]) * channels
                        source, place = flat[start : start + run], target[position : position + run]
                        for j in range(run):
                            place[j] = source[j]
                        position += run


@kernel
def add_rows_to_patches(
    rows: Array,
    image: Array,
    out_h: int,
    out_w: int,
    kernel_hw: tuple[int, int],
    stride: tuple[int, int],
    dilate: tuple[int, int],
) -> None:
    """The transpose of `patches_to_rows`: add every row to the patch that it came from."""
    n, height, width, channels = image.shape
    flat, source = image.reshape(-1), rows.reshape(-1)
    kernel_h, kernel_w = kernel_hw
    runs, run = (1, kernel_w * channels) if dilate[1] == 1 else (kernel_w, channels)
    position = 0
    for i in range(n):
        for y in range(out_h):
            for x in range(out_w):
                for ky in range(kernel_h):
                    line = (i * height + y * stride[0] + ky * dilate[0]) * width + x * stride[1]
                    for r in range(runs):
                        start = (line + r * dilate[1]) * channels
                        place, added = flat[start : start + run], source[position : position + run]
                        for j in range(run):
                            place[j] += added[j]
                        position += run


@kernel
def patches_to_columns(
    image: Array,
    columns: Array,
    out_h: int,
    out_w: int,
    kernel_hw: tuple[int, int],
    stride: tuple[int, int],
    dilate: tuple[int, int],
) -> None:
    """(n, C, H, W) to (n, C * kh * kw, out_h * out_w)."""
    n, channels, height, width = image.shape
    flat, target = image.reshape(-1), columns.reshape(-1)
    position = 0
    for i in range(n):
        for c in range(channels):
            plane = (i * channels + c) * height
            for ky in range(kernel_hw[0]):
                for kx in range(kernel_hw[1]):
                    for y in range(out_h):
                        start = (plane + y * stride[0] + ky * dilate[0]) * width + kx * dilate[1]
                        place = target[position : position + out_w]
                        if stride[1] == 1:
                            source = flat[start : start + out_w]
                            for x in range(out_w):
                                place[x] = source[x]
                        else:
                            for x in range(out_w):
                                place[x] = flat[start + x * stride[1]]
                        position += out_w


@kernel
def add_columns_to_patches(
    columns: Array,
    image: Array,
    out_h: int,
    out_w: int,
    kernel_hw: tuple[int, int],
    stride: tuple[int, int],
    dilate: tuple[int, int],
) -> None:
    """The transpose of `patches_to_columns`: add every column to the patch that it came from."""
    n, channels, height, width = image.shape
    flat, source = image.reshape(-1), columns.reshape(-1)
    position = 0
    for i in range(n):
        for c in range(channels):
            plane = (i * channels + c) * height
            for ky in range(kernel_hw[0]):
                for kx in range(kernel_hw[1]):
                    for y in range(out_h):
                        start = (plane + y * stride[0] + ky * dilate[0]) * width + kx * dilate[1]
                        added = source[position : position + out_w]
                        if stride[1] == 1:
                            place = flat[start : start + out_w]
                            for x in range(out_w):
                                place[x] += added[x]
                        else:
                            for x in range(out_w):
                                flat[start + x * stride[1]] += added[x]
                        position += out_w
