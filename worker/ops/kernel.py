"""What computes a node, or a fused chain of nodes: the operator itself, or a kernel compiled for one device."""

from __future__ import annotations

from typing import Protocol

from ..array import Arrays, Gradients
from .operator import Step


class Kernel(Protocol):
    """Forward and backward of one node or chain of nodes, for one slice of the batch: an Operator's two methods."""

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the outputs."""
        ...

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients that are asked for."""
        ...
