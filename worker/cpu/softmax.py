"""SoftmaxOutput for data (n, k) and one class label per row, the usual end of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, Shape
from ..ops.operator import Step


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
        data, out = inputs[0], outputs[0]
        _subtract_largest(data, out)
        np.exp(out, out=out)  # numpy's exp is vectorised
        _divide_by_sum(out)

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


@kernel
def _subtract_largest(data: Array, out: Array) -> None:
    # So that exp does not overflow. A NaN is passed over here, but stays in its place, and spreads with the row's sum.
    for i in range(data.shape[0]):
        row = data[i]
        largest = row[0]
        for j in range(row.size):
            largest = max(largest, row[j])
        for j in range(row.size):
            out[i, j] = row[j] - largest


@kernel
def _divide_by_sum(out: Array) -> None:
    for i in range(out.shape[0]):
        row = out[i]
        total = np.float32(0)
        for j in range(row.size):
            total += row[j]
        for j in range(row.size):
            row[j] /= total


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
