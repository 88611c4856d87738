"""The statistics of a network's losses, computed on a GPU: what head_loss.py computes on the host."""

from __future__ import annotations

from ...array import Array
from ...cuda.device import Device
from ...ops.make_loss import MakeLoss, MakeLossNoScale
from ...ops.operator import Operator
from ...ops.regression_output import LinearRegressionOutput, LogisticRegressionOutput, MAERegressionOutput
from ...ops.svm_output import SVMOutput
from ..head_loss import EPS
from ..metrics.base import Head
from ..metrics.classification import CrossEntropy
from .statistics import DeviceStatistics, Items, Statistics

_PER_ELEMENT: dict[type[Operator], str] = {
    LinearRegressionOutput: "SQUARED", MAERegressionOutput: "ABSOLUTE", LogisticRegressionOutput: "BINARY",
}  # fmt: skip


def loss_statistics(device: Device, op: Operator, head: Head) -> Statistics:
    """What computes the loss of an operator that HeadLoss knows. To be called while the device is active."""
    if isinstance(op, SVMOutput):
        return _Hinge(device, op)
    if isinstance(op, (MakeLoss, MakeLossNoScale)):
        return _OwnValue(device)
    if type(op) in _PER_ELEMENT:
        return _PerElement(device, _PER_ELEMENT[type(op)])
    return DeviceStatistics(device, CrossEntropy(eps=EPS), head)


class _Hinge(Statistics):
    def __init__(self, device: Device, op: SVMOutput) -> None:
        super().__init__(device)
        self._op = op

    def queue(self, label: Array, output: Array, target: Array) -> None:
        op, kind = self._op, "HINGE" if self._op.use_linear else "SQUARED_HINGE"
        rows = Items(kind, label, output, output.shape[1], number=op.margin, weight=op.regularization_coefficient)
        self._launch(rows, target)


class _PerElement(Statistics):
    """The label has the output's elements, in whichever shape."""

    def __init__(self, device: Device, kind: str) -> None:
        super().__init__(device)
        self._kind = kind

    def queue(self, label: Array, output: Array, target: Array) -> None:
        self._launch(Items(self._kind, label, output, number=EPS), target)


class _OwnValue(Statistics):
    """What MakeLoss makes is compared with nothing."""

    def queue(self, label: Array, output: Array, target: Array) -> None:
        self._launch(Items("VALUE", output, output), target)
