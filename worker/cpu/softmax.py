"""SoftmaxOutput with one class label per row, or per place of all axes but the last: the usual end of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ...common.call_table import Row, in_python
from ...common.compiled_calls import integer, line, matrix, real
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, Shape
from ..ops.operator import Step
from .functions import exp
from .row_kernel import RowKernel
from .vector_loops import largest, mapped, summed


def handles(op: Any, in_shapes: Sequence[Shape]) -> bool:
    """Whether this kernel covers the operator's options and the shapes of data and label.

    The plain version covers the rest.
    """
    labelled = not op.multi_output and in_shapes[1] == op.label_shape(in_shapes[0])
    return labelled and not op.out_grad and op.smooth_alpha == 0


class SoftmaxOutputKernel(RowKernel):
    """n rows of data for k classes, n labels -> probabilities; the gradient is (p - onehot) * grad_scale / normaliser.

    Axes before the classes' count as one.
    """

    joins_slices = True

    def __init__(self, op: Any) -> None:
        self.op = op

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write exp(x - max) / sum, row by row."""
        return [Row(_softmax, (inputs[0], outputs[0], *self._extents(outputs[0])))]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write the gradient for data, 0 for the label; the head gradient is not read, as this is a loss.

        They raise DataError if a label is no class and is not the one to be ignored.
        """
        rows = [] if in_grads[1] is None else [in_python(partial(in_grads[1].fill, 0))]
        if in_grads[0] is None:
            return rows
        scale = np.array([self.op.scale(step, inputs[0])])
        if self.op.normalization != "null":  # what it divides by is another number in each step
            rows.append(in_python(partial(self._rescale, scale, step, inputs[0])))
        ignored = float(self.op.ignore_label) if self.op.use_ignore else np.nan  # equal to no label
        count, classes = self._extents(outputs[0])
        arguments = (outputs[0], inputs[1], in_grads[0], scale, ignored, count, classes)
        return [*rows, Row(_gradient, arguments, partial(self._refuse, step, inputs[1], classes))]

    def _extents(self, data: Array) -> tuple[int, int]:
        """n and k."""
        count, classes, _ = self.op.rows(data).shape
        return count, classes

    def _rescale(self, scale: Array, step: Step, data: Array) -> None:
        scale[0] = self.op.scale(step, data)

    def _refuse(self, step: Step, label: Array, classes: int) -> None:
        """The compiled loop only finds that a label is wrong; the plain version's check raises with row and value."""
        from ..ops.softmax_output import check_labels

        check_labels(step, label, classes, self.op.ignore_label if self.op.use_ignore else None)


_largest, _sum = largest(lambda x: x), summed(lambda x: x)
_exp_below = mapped(lambda x, largest: exp(x - largest))
_divide = mapped(lambda x, divisor: x / divisor)


@kernel
def _softmax(at: int) -> int:
    n, count = integer(at, 2), integer(at, 3)
    for i in range(n):
        row, target = (integer(at, 0) + 4 * count * i,), integer(at, 1) + 4 * count * i
        # So that exp does not overflow. A NaN is passed over here, but stays in its place, and spreads with the sum.
        _exp_below(row, (_largest(row, (), count),), target, count)
        _divide((target,), (_sum((target,), (), count),), target, count)
    return 0


@kernel
def _gradient(at: int) -> int:
    """grad (n, k) = (out - onehot(label)) * factor; 0 where a label is ignored or names no class, which stops."""
    n, k = integer(at, 5), integer(at, 6)
    out, label, grad = matrix(integer(at, 0), n, k), line(integer(at, 1), n), matrix(integer(at, 2), n, k)
    scale, ignored, bad = np.float32(real(integer(at, 3), 0)), real(at, 4), 0
    for i in range(n):
        row, target = out[i], grad[i]
        value = label[i]
        if value == ignored:
            target[:] = 0
            continue
        if not (value >= 0 and value < k and value == np.floor(value)):
            target[:] = 0
            bad = 1
            continue
        # All classes without a test in the loop, then the label's once more, subtracted before it is scaled.
        for j in range(k):
            target[j] = row[j] * scale
        chosen = int(value)
        target[chosen] = (row[chosen] - np.float32(1)) * scale
    return bad
