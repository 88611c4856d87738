"""Copying image patches into the rows of a matrix, and adding them back: what turns convolution into GEMM.

There is one row per output pixel, its numbers ordered (ky, kx, c). The image has its channels last, so that a patch is
kh runs of kw * C numbers. All arrays are float32 in C order; the caller has applied the padding.
"""

from __future__ import annotations

from ...common.jit import kernel
from ..array import Array


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
    """image (n, H, W, C) -> rows (n * out_h * out_w, kh * kw * C)."""
    n, height, width, channels = image.shape
    flat, target = image.reshape(-1), rows.reshape(-1)
    kernel_h, kernel_w = kernel_hw
    # Without dilation the pixels of one line of a patch are neighbours, and are copied as one run.
    runs, run = (1, kernel_w * channels) if dilate[1] == 1 else (kernel_w, channels)
    position = 0  # rows are written from front to back; `line` is the number of the first pixel of a patch's line
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
    """The transpose of `patches_to_rows`: add rows (n * out_h * out_w, kh * kw * C) to image (n, H, W, C)."""
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
