"""A convolution of many input channels and its max-pooling, as GEMMs of patch rows x weight over several images.

With the channels last in memory, one line of a patch is a run of kw * C numbers, long enough to copy at full speed, and
the images of a chunk share one GEMM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..array import Array, Shape, aligned_empty, aligned_zeros
from . import bias_and_pooling, patch_rows
from .matmul import matmul

if TYPE_CHECKING:
    from ..ops.convolution import Convolution


class PatchRows:
    """The products of one chunk of at most `chunk` images; winners are kept for all `data[0]`.

    The GEMM leaves one row per pixel with a column per filter, (m * OH * OW, F), and pooling compares such rows.
    weight (F, C, kh, kw), bias (F,). Methods take the images of one chunk: data (m, C, H, W), pooled out and grad
    (m, F, PH, PW), `first` being the number of their first image in the slice.
    """

    def __init__(
        self, op: Convolution, data: Shape, plane: tuple[int, int], window: tuple[int, int], chunk: int
    ) -> None:
        windows = op.windows()
        self.pad: Any = windows.pad
        self.geometry: Any = (windows.kernel, windows.stride, windows.dilate)
        self.plane, self.window, self.filters = plane, window, op.num_filter
        n, channels, height, width = data
        self.depth, filters, pixels = channels * op.kernel[0] * op.kernel[1], op.num_filter, plane[0] * plane[1]
        image = (chunk, height + 2 * self.pad[0], width + 2 * self.pad[1], channels)
        # Two images, as the border of the first must stay zero, and the other takes gradients there as well.
        self.image, self.image_grad = aligned_zeros(image), aligned_zeros(image)
        self.patches, self.rows = aligned_empty((chunk * pixels, self.depth)), aligned_empty((chunk * pixels, filters))
        self.winner = aligned_empty((n, plane[0] // window[0], plane[1] // window[1], filters), np.int32)
        self.line = aligned_empty((filters,))
        self.weight_t, self.weight_rows = aligned_empty((self.depth, filters)), aligned_empty((filters, self.depth))
        self.partial = aligned_empty((filters, self.depth))

    def arrange_weight(self, weight: Array) -> None:
        """Copy weight (F, C, kh, kw) to the order of the patches, for this forward and its backward.

        Both orientations are kept: forward multiplies by (depth, F), the data's gradient by (F, depth).
        """
        np.copyto(self._by_taps(self.weight_rows), weight.transpose(0, 2, 3, 1))
        np.copyto(self.weight_t, self.weight_rows.T)

    def convolve(self, data: Array, bias: Array, out: Array, first: int) -> None:
        """Write the pooled output, before activation, and keep the winners."""
        made, rows = self._make_patches(data), self._rows(len(data))
        matmul(made, self.weight_t, rows)
        winner = self.winner[first : first + len(data)]
        bias_and_pooling.pool_rows(rows, bias, out, winner, self.line, self.plane, self.window)

    def unpool(self, grad: Array, bias_grad: Array, first: int) -> Array:
        """The gradient of the GEMM's rows, from that of the pooled output; `bias_grad` (F,) += its sums.

        It lies in memory that the next call of `convolve` or `unpool` overwrites.
        """
        rows, winner = self._rows(len(grad)), self.winner[first : first + len(grad)]
        bias_and_pooling.unpool_rows(grad, winner, rows, bias_grad, self.line, self.plane, self.window)
        return rows

    def add_weight_grad(self, data: Array, rows: Array, total: Array) -> None:
        """`total` (F, C, kh, kw) += the weight's gradient from these images; `rows` is what `unpool` returned."""
        matmul(rows.T, self._make_patches(data), self.partial)
        total += self._by_taps(self.partial).transpose(0, 3, 1, 2)

    def data_grad(self, rows: Array, out: Array) -> None:
        """Write the images' gradient (m, C, H, W); `rows` is what `unpool` returned."""
        # The memory of the patches takes their gradient: the weight's gradient, made before, has read them.
        image, made = self.image_grad[: len(out)], self.patches[: len(rows)]
        image.fill(0)  # patches overlap: their gradients are added up
        matmul(rows, self.weight_rows, made)
        patch_rows.add_rows_to_patches(made, image, *self.plane, *self.geometry)
        np.copyto(out, self._inside(image))

    def _rows(self, images: int) -> Array:
        return self.rows[: images * self.plane[0] * self.plane[1]]

    def _inside(self, image: Array) -> Array:
        """The padded images (n, h, w, C) without their padding, seen as (n, C, H, W)."""
        (top, left), (height, width) = self.pad, image.shape[1:3]
        return image[:, top : height - top, left : width - left].transpose(0, 3, 1, 2)

    def _by_taps(self, weight: Array) -> Array:
        """(F, depth) as (F, kh, kw, C), the order of the patches' columns."""
        return weight.reshape(self.filters, *self.geometry[0], -1)

    def _make_patches(self, data: Array) -> Array:
        image, made = self.image[: len(data)], self.patches[: len(data) * self.plane[0] * self.plane[1]]
        np.copyto(self._inside(image), data)  # to channels last, inside the border of zeros
        patch_rows.patches_to_rows(image, made, *self.plane, *self.geometry)
        return made
