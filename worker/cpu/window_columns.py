"""Patches of images of few channels as columns of a matrix, ordered so that max-pooling compares whole runs of memory.

A padded image is dealt into step_h * step_w images, a step being stride times pooling window: place (j, k) of image
(a, b) holds pixel (j * step_h + a, k * step_w + b). The columns are ordered (wy, wx, py, px): first the position within
the pooling window, then the window. So neighbouring columns read neighbouring places, and the numbers of a window that
are to be compared lie in separate runs. Pixels that no window covers get no column. All arrays are float32 in C order.

kernel_hw, stride and dilate are pairs, those of the convolution.
"""

from __future__ import annotations

from ...common.jit import kernel
from ..array import Array


@kernel
def deal(image: Array, dealt: Array, pad_h: int, pad_w: int) -> None:
    """Copy image (n, C, H, W) to dealt (n, C, step_h, step_w, h, w), whose padding is left as it is."""
    n, channels, height, width = image.shape
    step_h, step_w = dealt.shape[2:4]
    for i in range(n):
        for c in range(channels):
            for y in range(height):
                source = image[i, c, y]
                for b in range(step_w):
                    first = (b - pad_w) % step_w  # the first pixel of the row that belongs to image b
                    place = dealt[i, c, (y + pad_h) % step_h, b, (y + pad_h) // step_h]
                    shift = (first + pad_w) // step_w
                    for k in range((width - first + step_w - 1) // step_w):
                        place[shift + k] = source[first + k * step_w]


@kernel
def collect(dealt: Array, image: Array, pad_h: int, pad_w: int) -> None:
    """The inverse of `deal`: copy dealt (n, C, step_h, step_w, h, w) to image (n, C, H, W), without the padding."""
    n, channels, height, width = image.shape
    step_h, step_w = dealt.shape[2:4]
    for i in range(n):
        for c in range(channels):
            for y in range(height):
                target = image[i, c, y]
                for b in range(step_w):
                    first = (b - pad_w) % step_w  # as in `deal`
                    place = dealt[i, c, (y + pad_h) % step_h, b, (y + pad_h) // step_h]
                    shift = (first + pad_w) // step_w
                    for k in range((width - first + step_w - 1) // step_w):
                        target[first + k * step_w] = place[shift + k]


@kernel
def dealt_to_columns(
    dealt: Array, columns: Array, kernel_hw: tuple[int, int], stride: tuple[int, int], dilate: tuple[int, int]
) -> None:
    """Copy dealt (n, C, step_h, step_w, h, w) to columns (n, C * kh * kw, window_h, window_w, PH, PW)."""
    n, channels, step_h, step_w, _, _ = dealt.shape
    _, _, window_h, window_w, pooled_h, pooled_w = columns.shape
    for i in range(n):
        row = 0
        for c in range(channels):
            for ky in range(kernel_hw[0]):
                for kx in range(kernel_hw[1]):
                    for wy in range(window_h):
                        # Relative to window (0, 0): window (py, px) is exactly py, px places further on in `plane`.
                        y = wy * stride[0] + ky * dilate[0]
                        for wx in range(window_w):
                            x = wx * stride[1] + kx * dilate[1]
                            plane, target = dealt[i, c, y % step_h, x % step_w], columns[i, row, wy, wx]
                            top, left = y // step_h, x // step_w
                            for py in range(pooled_h):
                                source, place = plane[top + py, left : left + pooled_w], target[py]
                                for px in range(pooled_w):
                                    place[px] = source[px]
                    row += 1


@kernel
def add_columns_to_dealt(
    columns: Array, dealt: Array, kernel_hw: tuple[int, int], stride: tuple[int, int], dilate: tuple[int, int]
) -> None:
    """The transpose of `dealt_to_columns`: add columns (n, C * kh * kw, window_h, window_w, PH, PW) to the patches.

    These are in dealt (n, C, step_h, step_w, h, w), which the caller has cleared.
    """
    n, channels, step_h, step_w, _, _ = dealt.shape
    _, _, window_h, window_w, pooled_h, pooled_w = columns.shape
    for i in range(n):
        row = 0
        for c in range(channels):
            for ky in range(kernel_hw[0]):
                for kx in range(kernel_hw[1]):
                    for wy in range(window_h):
                        y = wy * stride[0] + ky * dilate[0]
                        for wx in range(window_w):
                            x = wx * stride[1] + kx * dilate[1]
                            plane, source = dealt[i, c, y % step_h, x % step_w], columns[i, row, wy, wx]
                            top, left = y // step_h, x // step_w
                            # Within one tap and position no two columns share a pixel, so this loop may be vectorised.
                            for py in range(pooled_h):
                                place, added = plane[top + py, left : left + pooled_w], source[py]
                                for px in range(pooled_w):
                                    place[px] += added[px]
                    row += 1
