"""Max-pooling whose windows lie side by side, where no convolution in front of it does it on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...common.jit import kernel
from ..array import Array, Shape, aligned_empty
from ..ops.operator import Step


class TilingPoolKernel:
    """data (n, C, H, W) -> (n, C, PH, PW); the gradient goes to the first maximum of each window."""

    def __init__(self, window: tuple[int, int], out: Shape) -> None:
        self.window = window
        self.winner = aligned_empty(out, np.int32)

    def forward(self, step: Step, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """The largest of each window."""
        _pool(inputs[0], outputs[0], self.winner, self.window)

    def backward(
        self,
        step: Step,
        out_grads: Sequence[Array],
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        in_grads: Sequence[Array | None],
    ) -> None:
        """Each gradient to where the maximum was, zero elsewhere."""
        if in_grads[0] is not None:
            in_grads[0].fill(0)
            _unpool(out_grads[0], in_grads[0], self.winner, self.window)


@kernel
def _pool(data: Array, out: Array, winner: Array, window: tuple[int, int]) -> None:
    n, channels, pooled_h, pooled_w = out.shape
    for i in range(n):
        for c in range(channels):
            for py in range(pooled_h):
                for px in range(pooled_w):
                    best, kept = data[i, c, py * window[0], px * window[1]], 0
                    for position in range(1, window[0] * window[1]):
                        value = data[
                            i, c, py * window[0] + position // window[1], px * window[1] + position % window[1]
                        ]
                        if value > best:
                            best, kept = value, position
                    out[i, c, py, px] = best
                    winner[i, c, py, px] = kept


@kernel
def _unpool(grad: Array, data_grad: Array, winner: Array, window: tuple[int, int]) -> None:
    n, channels, pooled_h, pooled_w = grad.shape
    for i in range(n):
        for c in range(channels):
            for py in range(pooled_h):
                for px in range(pooled_w):
                    position = winner[i, c, py, px]
                    y, x = py * window[0] + position // window[1], px * window[1] + position % window[1]
                    data_grad[i, c, y, x] = grad[i, c, py, px]
