"""A border of one number around images, for float32."""

from __future__ import annotations

import numpy as np

from ...common.call_table import Row
from ...common.compiled_calls import integer, line, real
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.operator import Step
from ..ops.pad import Pad
from .panels import copy_line
from .row_kernel import RowKernel, Stage, shares


class PadKernel(RowKernel):
    """data (n, C, H, W) -> (n, C, H + top + bottom, W + left + right)."""

    joins_slices = True

    def __init__(self, op: Pad) -> None:
        """`op` is of mode "constant" and four axes."""
        self._corner, self._value = (op.pad_width[4], op.pad_width[6]), float(op.constant_value)

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write data in its border."""
        return self._forward(_planes(inputs[0]), _planes(outputs[0]))

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """Parts are planes."""
        data, out = _planes(inputs[0]), _planes(outputs[0])
        return [[self._forward(data[part], out[part]) for part in shares(len(out), threads)]]

    def _forward(self, data: Array, out: Array) -> list[Row]:
        return [Row(_pad, (data, out, len(data), *data.shape[1:], *out.shape[1:], *self._corner, self._value))]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write the gradient inside of the border."""
        if in_grads[0] is None:
            return []
        given, made = _planes(out_grads[0]), _planes(in_grads[0])
        return [Row(_cut, (given, made, len(made), *made.shape[1:], *given.shape[1:], *self._corner))]


def _planes(array: Array) -> Array:
    return array.reshape(-1, *array.shape[2:])


@kernel
def _pad(at: int) -> int:
    """Padded planes (n, OH, OW) of planes (n, H, W).

    The arguments are data, out, n, H, W, OH, OW, the rows above and the columns to the left, and the border's number.
    """
    count, height, width, tall, wide = integer(at, 2), integer(at, 3), integer(at, 4), integer(at, 5), integer(at, 6)
    top, left, border = integer(at, 7), integer(at, 8), real(at, 9)
    for i in range(count):
        data, out = integer(at, 0) + 4 * i * height * width, integer(at, 1) + 4 * i * tall * wide
        # Between one row of data and the next one is the border, to the right of one and to the left of the other.
        place = top * wide + left
        _fill(out, place, border)
        for y in range(height):
            copy_line(data + 4 * y * width, out + 4 * place, width)
            end = place + width
            place = end + wide - width if y + 1 < height else tall * wide
            _fill(out + 4 * end, place - end, border)
    return 0


@kernel
def _fill(address: int, count: int, number: float) -> None:
    numbers, single = line(address, count), np.float32(number)
    for i in range(count):
        numbers[i] = single


@kernel
def _cut(at: int) -> int:
    """Planes (n, H, W) out of padded ones (n, OH, OW); arguments as of `_pad`, but for the last."""
    count, height, width, tall, wide = integer(at, 2), integer(at, 3), integer(at, 4), integer(at, 5), integer(at, 6)
    top, left = integer(at, 7), integer(at, 8)
    for i in range(count):
        for y in range(height):
            source = integer(at, 0) + 4 * ((i * tall + top + y) * wide + left)
            copy_line(source, integer(at, 1) + 4 * (i * height + y) * width, width)
    return 0
