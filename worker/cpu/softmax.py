"""SoftmaxOutput for data (n, k) and one class label per row, the usual end of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, Shape
from ..ops.operator import Step
from .functions import exp
from .vector_loops import largest, mapped, summed


def handles(op: Any, in_shapes: Sequence[Shape]) -> bool:
    """Whether this kernel covers the operator's options and the shapes of data and label.

    The plain version covers the rest.
    """
    data, label = in_shapes[0], in_shapes[1]
    return len(data) == 2 and len(label) == 1 and not op.multi_output and not op.out_grad and op.smooth_alpha == 0


class SoftmaxOutputKernel:
    """data (n, k), label (n,) -> probabilities (n, k); the gradient is (p - onehot) * grad_scale / normaliser."""

    def __init__(self, op: Any) -> None:
        self.op = op

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write exp(x - max) / sum, row by row."""
        _softmax(inputs[0], outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradient for data, 0 for the label; the head gradient is not read, as this is a loss.

        Raises DataError if a label is no class and is not the one to be ignored.
        """
        if in_grads[1] is not None:
            in_grads[1].fill(0)
        if in_grads[0] is None:
            return
        scale = self.op.scale(step, inputs[0])
        ignored = self.op.ignore_label if self.op.use_ignore else np.nan  # equal to no label
        bad = _gradient(outputs[0], inputs[1], in_grads[0], float(scale), float(ignored))
        if bad:  # the loop only counts them; the plain version's check raises with row and value
            from ..ops.softmax_output import check_labels

            allowed = self.op.ignore_label if self.op.use_ignore else None
            check_labels(step, inputs[1], outputs[0].shape[1], allowed)


_largest, _sum = largest(lambda x: x), summed(lambda x: x)
_exp_below = mapped(lambda x, largest: exp(x - largest))
_divide = mapped(lambda x, divisor: x / divisor)


@kernel
def _softmax(data: Array, out: Array) -> None:
    count = data.shape[1]
    for i in range(data.shape[0]):
        row, target = (data[i].ctypes.data,), out[i].ctypes.data
        # So that exp does not overflow. A NaN is passed over here, but stays in its place, and spreads with the sum.
        _exp_below(row, (_largest(row, (), count),), target, count)
        _divide((target,), (_sum((target,), (), count),), target, count)


@kernel
def _gradient(out: Array, label: Array, grad: Array, factor: float, ignored: float) -> int:
    """grad (n, k) = (out - onehot(label)) * factor; 0 where a label is ignored or names no class.

    Returns how many name none.
    """
    bad, scale = 0, np.float32(factor)
    for i in range(out.shape[0]):
        row, target = out[i], grad[i]
        value = label[i]
        if value == ignored:
            target[:] = 0
            continue
        if not (value >= 0 and value < row.size and value == np.floor(value)):
            target[:] = 0
            bad += 1
            continue
        # All classes without a test in the loop, then the label's once more, subtracted before it is scaled.
        for j in range(row.size):
            target[j] = row[j] * scale
        chosen = int(value)
        target[chosen] = (row[chosen] - np.float32(1)) * scale
    return bad
