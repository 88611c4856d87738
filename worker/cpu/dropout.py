"""Dropout for float32: Philox4x32-10 and the masking in one pass, the same bits as the plain version."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.operator import Step
from ..ops.philox import MULTIPLIERS, ROUNDS, WEYL

_M0, _M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
_W0, _W1 = np.uint64(WEYL[0]), np.uint64(WEYL[1])
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)


class DropoutKernel:
    """The mask is made again in backward, so nothing is kept between the two."""

    def __init__(self, op: Any) -> None:
        self.op = op

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Drop and scale."""
        self._apply(step, inputs[0], outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The gradient passes where data passed."""
        if in_grads[0] is not None:
            self._apply(step, out_grads[0], in_grads[0])

    def _apply(self, step: Step, source: Array, target: Array) -> None:
        if not self.op.active(step):
            np.copyto(target, source)
            return
        stream = step.random_stream()
        words = np.array([*stream.key, stream.step, stream.node], np.uint64)
        first = step.first_row * (source.size // max(1, len(source)))
        scale = np.float32(1 / (1 - self.op.p))
        _mask(source.reshape(-1), target.reshape(-1), words, first, np.uint64(self.op.threshold()), scale)


@kernel
def _mask(source: Array, target: Array, words: Array, first: int, threshold: Any, scale: Any) -> None:
    lanes = np.empty(4, np.uint64)
    ready = -1
    for i in range(source.size):
        number = first + i
        if number // 4 != ready:
            ready = number // 4
            _block(np.uint64(ready), words, lanes)
        target[i] = source[i] * scale if lanes[number % 4] < threshold else np.float32(0)


@kernel
def _block(index: Any, words: Array, lanes: Array) -> None:
    c0, c1, c2, c3 = index & _LOW, index >> _SHIFT, words[2], words[3]
    k0, k1 = words[0], words[1]
    for _ in range(ROUNDS):
        left, right = c0 * _M0, c2 * _M1
        c0, c1, c2, c3 = (right >> _SHIFT) ^ c1 ^ k0, right & _LOW, (left >> _SHIFT) ^ c3 ^ k1, left & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    lanes[0], lanes[1], lanes[2], lanes[3] = c0, c1, c2, c3
