"""Convolution, bias, max-pooling and a monotone activation as one kernel for float32 on the CPU.

The batch is worked off in chunks whose patches fit the second-level cache. Whatever the layout of the patches, the GEMM
leaves one row per pixel with a column per filter, so one pair of pooling kernels serves both. Patches are made again in
backward: copying them costs a tenth of the GEMM, keeping them costs memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..array import Array, Shape, aligned_empty, aligned_zeros
from ..ops.operator import Step
from . import patches, pooled
from .elementwise import activate, multiply_by_slope

if TYPE_CHECKING:
    from ..ops.convolution import Convolution

CHUNK_BYTES = 768 * 1024  # of patches: leaves room for the GEMM's packed panels in 1 MiB of cache
FEW_CHANNELS = 16  # a run of kw * C numbers shorter than this is copied faster plane by plane


def patches_fit(op: Convolution, data: Shape) -> bool:
    """Whether the patches of one image stay in the cache; without that, this kernel has no advantage."""
    out = op.infer_shape([data, *[None] * (len(op.arguments()) - 1)], [None])[1][0]
    depth = data[1] * op.kernel[0] * op.kernel[1]
    return out is not None and 4 * out[2] * out[3] * depth <= CHUNK_BYTES


class ConvolutionKernel:
    """Forward and backward of convolution -> max-pooling with `window` -> activation, for one slice of the batch.

    data (n, C, H, W), weight (F, C, kh, kw), bias (F,) -> (n, F, PH, PW). A window of (1, 1) means no pooling.
    """

    def __init__(
        self,
        op: Convolution,
        data: Shape,
        window: tuple[int, int] = (1, 1),
        act_type: str | None = None,
    ) -> None:
        self.act_type, self.window, self.filters = act_type, window, op.num_filter
        windows = op.windows()
        self.pad, stride = windows.pad, windows.stride
        self.geometry: Any = (windows.kernel, windows.stride, windows.dilate)
        n, self.channels, height, width = data
        padded = (height + 2 * self.pad[0], width + 2 * self.pad[1])
        span = windows.span()
        self.plane = ((padded[0] - span[0]) // stride[0] + 1, (padded[1] - span[1]) // stride[1] + 1)
        self.depth = self.channels * op.kernel[0] * op.kernel[1]
        self.by_rows = self.channels * op.kernel[1] >= FEW_CHANNELS
        pixels = self.plane[0] * self.plane[1]
        self.chunk = max(1, min(n, CHUNK_BYTES // (4 * pixels * self.depth)))
        self._allocate(n, padded, pixels)

    def _allocate(self, n: int, padded: tuple[int, int], pixels: int) -> None:
        chunk, filters, depth = self.chunk, self.filters, self.depth
        pooled_h, pooled_w = self.plane[0] // self.window[0], self.plane[1] // self.window[1]
        image = (chunk, *padded, self.channels) if self.by_rows else (chunk, self.channels, *padded)
        self.image, self.image_grad = aligned_zeros(image), aligned_zeros(image)
        patch_shape = (chunk, pixels, depth) if self.by_rows else (chunk, depth, pixels)
        self.patches, self.rows = aligned_empty(patch_shape), aligned_empty((chunk, pixels, filters))
        self.winner = aligned_empty((n, pooled_h, pooled_w, filters), np.int32)
        self.line, self.no_bias = aligned_empty((filters,)), aligned_zeros((filters,))
        self.unused_bias_grad = aligned_empty((filters,))  # where nobody asks for it, or there is no bias
        self.weight_t, self.weight_rows = aligned_empty((depth, filters)), aligned_empty((filters, depth))
        self.partial = aligned_empty((filters, depth) if self.by_rows else (chunk, depth, filters))
        self.sum = aligned_empty((filters, depth) if self.by_rows else (depth, filters))
        self.slope = aligned_empty((n, filters, pooled_h, pooled_w))

    def forward(self, step: Step, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Write the pooled, activated output and remember the winners."""
        self._arrange_weight(inputs[1])
        bias, out = (inputs[2] if len(inputs) > 2 else self.no_bias), outputs[0]
        for first in range(0, len(out), self.chunk):
            last = min(first + self.chunk, len(out))
            columns = self._make_patches(inputs[0][first:last])
            rows = self.rows[: last - first]
            if self.by_rows:
                np.matmul(columns.reshape(-1, self.depth), self.weight_t, out=rows.reshape(-1, self.filters))
            else:
                np.matmul(columns.transpose(0, 2, 1), self.weight_t, out=rows)
            pooled.pool_rows(
                rows.reshape(-1, self.filters),
                bias,
                out[first:last],
                self.winner[first:last],
                self.line,
                self.plane,
                self.window,
            )
        if self.act_type:
            activate(self.act_type, out)

    def backward(
        self,
        step: Step,
        out_grads: Sequence[Array],
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        in_grads: Sequence[Array | None],
    ) -> None:
        """Write the gradients of data, weight and bias, those that are asked for."""
        grad = out_grads[0]
        if self.act_type:
            grad = multiply_by_slope(self.act_type, outputs[0], grad, self.slope)
        bias_grad = in_grads[2] if len(inputs) > 2 and in_grads[2] is not None else self.unused_bias_grad
        bias_grad.fill(0)
        self.sum.fill(0)
        for first in range(0, len(grad), self.chunk):
            last = min(first + self.chunk, len(grad))
            rows = self.rows[: last - first]
            pooled.unpool_rows(
                grad[first:last],
                self.winner[first:last],
                rows.reshape(-1, self.filters),
                bias_grad,
                self.line,
                self.plane,
                self.window,
            )
            if in_grads[1] is not None:
                self._add_weight_grad(inputs[0][first:last], rows)
            if in_grads[0] is not None:
                self._data_grad(rows, in_grads[0][first:last])
        if in_grads[1] is not None:
            self._give_weight_grad(in_grads[1])

    def _arrange_weight(self, weight: Array) -> None:
        if self.by_rows:
            kernel_h, kernel_w = self.geometry[0]
            target = self.weight_rows.reshape(self.filters, kernel_h, kernel_w, self.channels)
            np.copyto(target, weight.transpose(0, 2, 3, 1))
        else:
            np.copyto(self.weight_rows, weight.reshape(self.filters, self.depth))
        np.copyto(self.weight_t, self.weight_rows.T)

    def _make_patches(self, data: Array) -> Array:
        image, made = self.image[: len(data)], self.patches[: len(data)]
        if self.by_rows:
            patches.channels_last(data, image, *self.pad)
            patches.patches_to_rows(image, made.reshape(-1, self.depth), *self.plane, *self.geometry)
            return made
        if any(self.pad):
            patches.pad_planes(data, image, *self.pad)
            data = image
        patches.patches_to_columns(data, made, *self.plane, *self.geometry)
        return made

    def _add_weight_grad(self, data: Array, rows: Array) -> None:
        made = self._make_patches(data)
        if self.by_rows:
            np.matmul(rows.reshape(-1, self.filters).T, made.reshape(-1, self.depth), out=self.partial)
            self.sum += self.partial
        else:
            partial = self.partial[: len(rows)]
            np.matmul(made, rows, out=partial)
            for one in partial:
                self.sum += one

    def _give_weight_grad(self, out: Array) -> None:
        if self.by_rows:
            kernel_h, kernel_w = self.geometry[0]
            source = self.sum.reshape(self.filters, kernel_h, kernel_w, self.channels)
            np.copyto(out, source.transpose(0, 3, 1, 2))
        else:
            np.copyto(out.reshape(self.filters, self.depth), self.sum.T)

    def _data_grad(self, rows: Array, out: Array) -> None:
        image, made = self.image_grad[: len(rows)], self.patches[: len(rows)]
        image.fill(0)
        if self.by_rows:
            np.matmul(rows.reshape(-1, self.filters), self.weight_rows, out=made.reshape(-1, self.depth))
            patches.add_rows_to_patches(made.reshape(-1, self.depth), image, *self.plane, *self.geometry)
            patches.channels_first(image, out, *self.pad)
        else:
            np.matmul(self.weight_t, rows.transpose(0, 2, 1), out=made)
            patches.add_columns_to_patches(made, image, *self.plane, *self.geometry)
            height, width = out.shape[2:]
            np.copyto(out, image[:, :, self.pad[0] : self.pad[0] + height, self.pad[1] : self.pad[1] + width])
