"""SoftmaxOutput for float32, with all its options."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...array import Array, Arrays, Gradients
from ...ops.shapes import product
from ...ops.softmax_output import per_row, wrong_label
from ..device import Device

if TYPE_CHECKING:
    from ...ops.softmax_output import SoftmaxOutput

_FEW = 1024  # up to so many classes, a row is the work of one warp; with more, of a block of 256 threads


class SoftmaxOutputKernel:
    """The softmax over the classes, and backward (p - target) * grad_scale / normaliser.

    data and label have the shapes that ops.softmax_output.SoftmaxOutput names -> data's shape. A label that is no class
    is noted in `step.complaint`, from which a DataError follows when the host next waits; what the loss normalises by
    is read from `step.device_count`. The step is a CudaStep.
    """

    def __init__(self, device: Device, op: SoftmaxOutput) -> None:
        self.op = op
        head, ignore, count = (int(flag) for flag in (op.out_grad, op.use_ignore, op.normalization != "null"))
        self._module = device.module("softmax_output", HEAD=head, IGNORE=ignore, NORMALIZE=count)

    def forward(self, step: Any, inputs: Arrays, outputs: Arrays) -> None:
        """Write e^(x - max) / sum."""
        data, out = inputs[0], outputs[0]
        rows, classes, positions = self.op.rows(out).shape
        # Where the classes of a row lie together a warp or block shares them. With positions behind them, neighbouring
        # threads take neighbouring positions instead, so that reads stay coalesced.
        if positions != 1:
            args = (data, out, np.int64(rows * positions), np.int32(classes), np.int64(positions))
            self._module.over("softmax_of_positions", rows * positions, args)
        elif out.size:
            threads = 32 if classes <= _FEW else 256
            self._module.launch("softmax_of_rows", (rows,), (data, out, np.int32(classes)), threads)

    def backward(self, step: Any, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the cross-entropy's gradient for data, and 0 for the label."""
        if in_grads[1] is not None:
            in_grads[1].fill(0)
        if in_grads[0] is None:
            return
        label, out, grad = inputs[1], outputs[0], in_grads[0]
        arrays = out, label, out_grads[0] if self.op.out_grad else out, grad  # without HEAD the third is not read
        if label.shape == out.shape:
            args = (*arrays, np.float32(self.op.grad_scale), np.int64(out.size))
            self._module.over("grad_from_probabilities", out.size, args)
        else:
            self._module.over("grad_from_classes", out.size, (*arrays, *self._figures(step, label, out)))

    def _figures(self, step: Any, label: Array, out: Array) -> tuple[Any, ...]:
        """What the gradient depends on besides the arrays, in the order of the kernel's parameters."""
        op, (_, classes, positions) = self.op, self.op.rows(out).shape
        wrong = step.complaint(partial(wrong_label, "SoftmaxOutput", classes, step.first_row, per_row(label)))
        # Without NORMALIZE the kernel does not read the count: any array of floats will do.
        count = out if op.normalization == "null" else step.device_count()
        divisor = product(out.shape[2:]) if op.multi_output and op.normalization != "valid" else 1
        alpha = 0.0 if op.multi_output or classes < 2 else op.smooth_alpha
        numbers = 1 - alpha, alpha / max(classes - 1, 1), op.ignore_label
        extents = np.int64(out.size), np.int32(classes), np.int64(positions)
        return wrong, count, np.float64(op.grad_scale), np.float64(divisor), *map(np.float32, numbers), *extents
