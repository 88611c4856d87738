"""SoftmaxOutput: forward is softmax, and backward the gradient of the cross-entropy with the label.

Whatever the options, data is handled as (rows, classes, positions), with one label for each row and position.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ...common.errors import DataError, ShapeError
from ..array import Array, Arrays, Gradients
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Choice, Float
from .shapes import known, merge, merge_rows, product

REMEDY = "Classes count from 0. To leave rows out, set use_ignore=True and ignore_label."


class SoftmaxOutput(Operator):
    """output = softmax(data) over the classes; backward writes (output - onehot(label)) * grad_scale / Z.

    Without options, data is (N, ...), each element of a row being a class, and label is (N,). With preserve_shape, the
    last axis holds the classes, and label has data's other axes. With multi_output, axis 1 holds the classes: data is
    (N, K, ...) and label (N, product of the rest), (N, ...) or (N, 1, ...). A label of data's own shape holds
    probabilities; normalization does not apply to it.

    Z is 1 (normalization "null"), the number of labels ("batch"; with multi_output, of rows), or the number of labels
    other than ignore_label ("valid"), over the whole global batch. multi_output also divides by the positions per row,
    except with "valid". With use_ignore, the gradient is zero where the label is ignore_label. smooth_alpha moves that
    much of the probability from the label to the other classes (as in MXNet, not with multi_output). The head gradient
    is ignored; with out_grad it is a factor. The formulas were checked against MXNet 1.9.1 (which, contrary to its
    documentation, multiplies by the output if out_grad is set).
    """

    aliases = ("Softmax",)
    backward_only = ("label",)
    grad_scale = Float(1.0)
    ignore_label = Float(-1.0)
    multi_output = Bool(False)
    use_ignore = Bool(False)
    preserve_shape = Bool(False)
    normalization = Choice("null", "batch", "valid", default="null")
    out_grad = Bool(False)
    smooth_alpha = Float(0.0, low=0.0, high=1.0)

    def check(self) -> None:
        """With out_grad, do not count as a loss: backward then reads the head gradient."""
        self.is_loss = not self.out_grad

    def arguments(self) -> tuple[str, ...]:
        """data and label."""
        return ("data", "label")

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output has data's shape; the label follows from data, and data learns the batch size from it.

        Raises ShapeError if data has fewer than 2 axes or the label has none of the possible shapes.
        """
        (data, label), out = in_shapes, out_shapes[0]
        data = out = merge(data, out, "SoftmaxOutput: data")
        if data is None:
            return [data, label], [out]
        if len(data) < 2:
            raise ShapeError("SoftmaxOutput: data", expected="rows and classes, at least 2 axes", got=data)
        data = merge_rows(data, label, "SoftmaxOutput: label") or data
        return [data, self._label_shape(data, label)], [data]

    def _label_shape(self, data: tuple[int, ...], label: PartialShape) -> PartialShape:
        """The label's shape, completed with the first form that it fits; the usual one if nothing is known of it."""
        forms = self._label_forms(data)
        if label is None or not known(data):
            return forms[0] if label is None else label
        fitting = [form for form in forms if len(form) == len(label) and _agree(form, label)]
        if not fitting:
            raise ShapeError("SoftmaxOutput: label", expected=f"shape {' or '.join(map(str, forms))}", got=label)
        return merge(label, fitting[0], "SoftmaxOutput: label")

    def label_shape(self, data: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of class numbers for data of a known shape, with every axis of its own."""
        if self.multi_output:
            return (data[0], *data[2:])
        return data[:-1] if self.preserve_shape else data[:1]

    def _label_forms(self, data: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The label shapes that go with data, the one that is inferred first."""
        own = self.label_shape(data)
        merged = [(data[0], product(data[2:])), own, (data[0], 1, *own[1:])] if self.multi_output else [own]
        return list(dict.fromkeys([*merged, data]))  # for (N, K) some forms are equal; the error should name each once

    def counted(self, label: Array) -> float | None:
        """How many elements of `label`, of any shape that goes with data, count for Z; None if it is 1 ("null")."""
        if self.normalization == "valid":
            return float((label != self.ignore_label).sum())
        if self.normalization == "batch":
            return float(label.shape[0] if self.multi_output else label.size)
        return None

    def scale(self, step: Step, data: Array) -> float:
        """The factor of (output - onehot), grad_scale / Z, for `data` of the slice's shape.

        `step.count` is what `counted` returned for the global label.
        """
        scale = self.grad_scale
        if self.normalization != "null":
            scale /= max(step.count, 1.0)  # a batch may have no valid label at all
        if self.multi_output and self.normalization != "valid":  # "valid" counts positions already
            scale /= product(data.shape[2:])
        return scale

    def rows(self, array: Array) -> Array:
        """`array` of data's shape as (rows, classes, positions), sharing its memory."""
        if self.multi_output:
            return array.reshape(*array.shape[:2], product(array.shape[2:]))
        axes = array.ndim - 1 if self.preserve_shape else 1
        return array.reshape(product(array.shape[:axes]), product(array.shape[axes:]), 1)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """y = e^(x - max) / sum over the classes; subtracting the maximum keeps e^x from overflowing."""
        xp, data, out = step.xp, self.rows(inputs[0]), self.rows(outputs[0])
        xp.subtract(data, data.max(axis=1, keepdims=True), out=out)
        xp.exp(out, out=out)
        out /= xp.sum(out, axis=1, keepdims=True)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The cross-entropy's gradient for data, zero for the label. Raises DataError if a label is not a class."""
        (data, label), out, xp = inputs, outputs[0], step.xp
        if in_grads[1] is not None:
            in_grads[1].fill(0)
        if in_grads[0] is None:
            return
        if label.shape == out.shape:  # probabilities instead of classes
            xp.subtract(out, label, out=in_grads[0])
            in_grads[0] *= self.grad_scale
        else:
            self._from_classes(step, label, self.rows(out), self.rows(in_grads[0]))
            in_grads[0] *= self.scale(step, data)
        if self.out_grad:
            in_grads[0] *= out_grads[0]

    def _from_classes(self, step: Step, label: Array, out: Array, grad: Array) -> None:
        """Write out - onehot(label), smoothed, to `grad`, (rows, classes, positions); zero where label is ignored."""
        xp, classes = step.xp, out.shape[1]
        check_labels(step, label, classes, self.ignore_label if self.use_ignore else None)
        label = label.reshape(out.shape[0], 1, out.shape[2])
        # The target is 1 - alpha for the label's class, alpha / (K - 1) for each other one.
        alpha = 0.0 if self.multi_output or classes < 2 else self.smooth_alpha
        # Compared rather than indexed by, since a label that is ignored need not be a class.
        here = xp.arange(classes).reshape(1, -1, 1) == label
        xp.subtract(out, alpha / max(classes - 1, 1), out=grad)
        xp.copyto(grad, out - (1 - alpha), where=here)
        if self.use_ignore:
            xp.copyto(grad, 0, where=label == self.ignore_label)


def check_labels(
    step: Step, label: Array, classes: int, ignore_label: float | None, operator: str = "SoftmaxOutput"
) -> None:
    """Check labels of any shape. Raises DataError, naming value and row, for one that is not a class.

    A class is a whole number in [0, classes), or `ignore_label` if that is not None. `operator` is named in the error.
    """
    # Written so that NaN is wrong, too: every comparison with it is False.
    wrong: Any = ~((label >= 0) & (label < classes) & (label == step.xp.trunc(label)))
    if ignore_label is not None:
        wrong &= label != ignore_label
    step.refuse(wrong, label, partial(wrong_label, operator, classes, step.first_row, per_row(label)))


def per_row(array: Array) -> int:
    """The number of elements per index of axis 0, at least 1."""
    return max(1, product(array.shape[1:]))


def wrong_label(operator: str, classes: int, first_row: int, row_size: int, index: int, value: float) -> DataError:
    """The error for a label `value` that is no class, at flat `index` of labels that begin at row `first_row`."""
    return DataError(
        f"{operator}: label of row {first_row + index // row_size}",
        expected=f"a class, a whole number from 0 to {classes - 1}",
        got=f"{value:g}",
        remedy=REMEDY if operator == "SoftmaxOutput" else "",
    )


def _agree(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    """Whether two shapes of equal length agree on all extents that both know."""
    return all(not a or not b or a == b for a, b in zip(left, right, strict=True))
