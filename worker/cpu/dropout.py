"""Dropout for float32: Philox4x32-10 and the masking in one pass, the same bits as the plain version."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.operator import Step
from ..ops.philox import MULTIPLIERS, ROUNDS, WEYL

# numba would turn a uint64 and a Python int into a float64, so all constants are uint64.
_M0, _M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
_W0, _W1 = np.uint64(WEYL[0]), np.uint64(WEYL[1])
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)


class DropoutKernel:
    """data of any shape -> the same. The mask is made again in backward, so nothing is kept between the two."""

    joins_slices = True

    def __init__(self, op: Any) -> None:
        self.op = op

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the elements that are kept, scaled by 1 / (1 - p), and 0 for the others."""
        self._apply(step, inputs[0], outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradient likewise: it passes where data passed."""
        if in_grads[0] is not None:
            self._apply(step, out_grads[0], in_grads[0])

    def _apply(self, step: Step, source: Array, target: Array) -> None:
        if not self.op.active(step):
            np.copyto(target, source)
            return
        stream = step.random_stream()
        words = np.array([*stream.key, stream.step, stream.node], np.uint64)
        # Numbers belong to places in the global batch, so that it does not matter who computes which rows.
        first = step.first_row * (source.size // max(1, len(source)))
        scale = np.float32(1 / (1 - self.op.p))
        _mask(source.reshape(-1), target.reshape(-1), words, first, np.uint64(self.op.threshold()), scale)


@kernel
def _mask(source: Array, target: Array, words: Array, first: int, threshold: Any, scale: Any) -> None:
    """target = source * scale where the element's random number is below the threshold, else 0; both flat."""
    lanes = np.empty(4, np.uint64)
    ready = -1  # the block whose four numbers are in `lanes`; a slice may begin in the middle of one
    for i in range(source.size):
        number = first + i
        if number // 4 != ready:
            ready = number // 4
            block(np.uint64(ready), words, lanes)
        # Chosen rather than multiplied by a mask: 0 * NaN would be NaN, and a dropped element must not matter.
        target[i] = source[i] * scale if lanes[number % 4] < threshold else np.float32(0)


@kernel
def block(index: Any, words: Array, lanes: Array) -> None:
    """Philox4x32-10 for counter (index, step, node): four 32-bit numbers; words are (key, key, step, node).

    Each 32-bit word is held in 64 bits, so that a product keeps its upper half, which the next round needs.
    """
    c0, c1, c2, c3 = index & _LOW, index >> _SHIFT, words[2], words[3]
    k0, k1 = words[0], words[1]
    for _ in range(ROUNDS):
        left, right = c0 * _M0, c2 * _M1
        c0, c1, c2, c3 = (right >> _SHIFT) ^ c1 ^ k0, right & _LOW, (left >> _SHIFT) ^ c3 ^ k1, left & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    lanes[0], lanes[1], lanes[2], lanes[3] = c0, c1, c2, c3
