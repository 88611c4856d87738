"""A convolution of few input channels and its max-pooling, as GEMMs of weight x columns, one per image.

With few channels a run of kw * C numbers is too short to be worth a copy of its own, so patches are columns, copied row
of pixels by row of pixels. The columns lie in the order that window_columns.py describes, so that pooling, too, works
on long runs of memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..array import Array, Shape, aligned_empty, aligned_zeros
from . import bias_and_pooling, window_columns
from .matmul import matmul
from .sums import sum_pixels

if TYPE_CHECKING:
    from ..ops.convolution import Convolution


class DealtColumns:
    """The products of one chunk of at most `chunk` images; winners are kept for all `data[0]`.

    weight (F, C, kh, kw), bias (F,). Methods take the images of one chunk: data (m, C, H, W), pooled out and grad
    (m, F, PH, PW), `first` being the number of their first image in the slice.
    The products (m, F, positions, P) are sorted by the position in a pooling window; P windows.
    """

    def __init__(
        self, op: Convolution, data: Shape, plane: tuple[int, int], window: tuple[int, int], chunk: int
    ) -> None:
        windows = op.windows()
        self.pad: Any = windows.pad
        self.geometry: Any = (windows.kernel, windows.stride, windows.dilate)
        n, channels, height, width = data
        depth, pool = channels * op.kernel[0] * op.kernel[1], (plane[0] // window[0], plane[1] // window[1])
        # One pooling window further on is `step` pixels further on; every step-th pixel lies in one plane of `image`.
        step = (windows.stride[0] * window[0], windows.stride[1] * window[1])
        places = (-(-(height + 2 * self.pad[0]) // step[0]), -(-(width + 2 * self.pad[1]) // step[1]))
        image = (chunk, channels, *step, *places)
        # Two images, as the border of the first must stay zero, and the other takes gradients there as well.
        self.image, self.image_grad = aligned_zeros(image), aligned_zeros(image)
        self.columns = aligned_empty((chunk, depth, *window, *pool))
        self.runs = aligned_empty((chunk, op.num_filter, window[0] * window[1], pool[0] * pool[1]))
        self.winner = aligned_empty((n, op.num_filter, pool[0] * pool[1]), np.int32)
        self.weight = aligned_empty((op.num_filter, depth))

    def arrange_weight(self, weight: Array) -> None:
        """Copy weight (F, C, kh, kw) to aligned memory as (F, depth), for this forward and its backward."""
        np.copyto(self.weight, weight.reshape(self.weight.shape))

    def convolve(self, data: Array, bias: Array, out: Array, first: int) -> None:
        """Write the pooled output, before activation, and keep the winners."""
        runs = self.runs[: len(data)]
        matmul(self.weight, self._columns(data), _flat(runs))
        bias_and_pooling.pool_runs(runs, bias, _flat(out), self.winner[first : first + len(data)])

    def unpool(self, grad: Array, bias_grad: Array, first: int) -> Array:
        """The gradient of the GEMM's products, from that of the pooled output; `bias_grad` (F,) += its sums.

        It lies in memory that the next call of `convolve` or `unpool` overwrites.
        """
        runs, flat = self.runs[: len(grad)], _flat(grad)
        bias_and_pooling.unpool_runs(flat, self.winner[first : first + len(grad)], runs)
        sums = np.empty_like(bias_grad)
        sum_pixels(flat, sums)
        bias_grad += sums
        return runs

    def add_weight_grad(self, data: Array, runs: Array, total: Array) -> None:
        """`total` (F, C, kh, kw) += the weight's gradient from these images; `runs` is what `unpool` returned."""
        columns = self._columns(data).transpose(0, 2, 1)
        matmul(_flat(runs), columns, total.reshape(self.weight.shape), adds=True)

    def data_grad(self, runs: Array, out: Array) -> None:
        """Write the images' gradient (m, C, H, W); `runs` is what `unpool` returned."""
        image, columns = self.image_grad[: len(runs)], self.columns[: len(runs)]
        # The memory of the columns takes their gradient.
        matmul(self.weight.T, _flat(runs), _flat(columns))
        image.fill(0)  # patches overlap: their gradients are added up
        window_columns.add_columns_to_dealt(columns, image, *self.geometry)
        window_columns.collect(image, out, *self.pad)

    def _columns(self, data: Array) -> Array:
        image, columns = self.image[: len(data)], self.columns[: len(data)]
        window_columns.deal(data, image, *self.pad)
        window_columns.dealt_to_columns(image, columns, *self.geometry)
        return _flat(columns)


def _flat(array: Array) -> Array:
    """(m, rows, ...) as (m, rows, everything else), sharing the memory."""
    return array.reshape(*array.shape[:2], -1)
