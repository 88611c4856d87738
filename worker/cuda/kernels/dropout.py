"""Dropout for float32: the random numbers and the masking in one pass, the same bits as the plain version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...array import Array, Arrays, Gradients
from ...ops.softmax_output import per_row
from ..device import Device
from ..random_bits import blocks, stream_words

if TYPE_CHECKING:
    from ...ops.dropout import Dropout


class DropoutKernel:
    """Dropout without `axes`: data of any shape, in C order, -> the same shape.

    The mask is made again in backward, so nothing is kept between the two.
    """

    def __init__(self, device: Device, op: Dropout) -> None:
        self.op, self._module = op, device.module("dropout")

    def forward(self, step: Any, inputs: Arrays, outputs: Arrays) -> None:
        """Write the elements that are kept, scaled by 1 / (1 - p), and 0 for the others."""
        self._apply(step, inputs[0], outputs[0])

    def backward(self, step: Any, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradient likewise: it passes where data passed."""
        if in_grads[0] is not None:
            self._apply(step, out_grads[0], in_grads[0])

    def _apply(self, step: Any, source: Array, target: Array) -> None:
        if not self.op.active(step):
            target[...] = source
            return
        first = step.first_row * per_row(source)  # numbers belong to the global batch, whoever computes its rows
        numbers = (
            np.int64(first),
            np.int64(source.size),
            np.uint64(self.op.threshold()),  # up to 2^32, which 32 bits do not hold
            np.float32(1 / (1 - self.op.p)),
        )
        args = (source, target, step.now, *stream_words(step), *numbers)
        self._module.over("drop", blocks(first, source.size), args)
