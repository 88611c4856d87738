"""SoftmaxOutput over the last of two axes with class labels: the usual end of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, Shape
from ..ops.operator import Step


def handles(op: Any, in_shapes: Sequence[Shape]) -> bool:
    """Whether this kernel covers the operator's options and shapes; the plain version covers the rest."""
    data, label = in_shapes[0], in_shapes[1]
    return len(data) == 2 and len(label) == 1 and not op.multi_output and not op.out_grad and op.smooth_alpha == 0


class SoftmaxOutputKernel:
    """data (n, k), label (n,) -> probabilities (n, k); the gradient is (p - onehot) * grad_scale / normaliser."""

    def __init__(self, op: Any) -> None:
        self.op = op

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """exp(x - max) / sum, row by row."""
        data, out = inputs[0], outputs[0]
        _subtract_largest(data, out)
        np.exp(out, out=out)
        _divide_by_sum(out)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The head gradient is not read: this is a loss."""
        if in_grads[1] is not None:
            in_grads[1].fill(0)
        if in_grads[0] is None:
            return
        scale = self.op.scale(step, inputs[0])
        ignored = self.op.ignore_label if self.op.use_ignore else np.nan
        bad = _gradient(outputs[0], inputs[1], in_grads[0], float(scale), float(ignored))
        if bad:
            from ..ops.softmax_output import check_labels

            allowed = self.op.ignore_label if self.op.use_ignore else None
            check_labels(step, inputs[1], outputs[0].shape[1], allowed)


@kernel
def _subtract_largest(data: Array, out: Array) -> None:
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
    """Number of labels that name no class; their rows are zero."""
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
        for j in range(row.size):
            target[j] = row[j] * scale
        chosen = int(value)
        target[chosen] = (row[chosen] - np.float32(1)) * scale
    return bad
