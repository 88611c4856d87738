"""The interface of whatever computes a node or a fused chain of nodes: the operator, or a kernel made for one device.

An Operator satisfies it as it is; compiled kernels (worker/cpu, worker/cuda) implement the same two methods.
"""

from __future__ import annotations

from typing import Protocol

from ..array import Arrays, Gradients
from .operator import Step


class Kernel(Protocol):
    """Forward and backward of one node or chain of nodes, for one slice of the batch.

    The arrays are those of Operator: `inputs` and `outputs` have the inferred shapes, their gradients the same ones.
    For a chain, `inputs` are the first node's and `outputs` the last one's.
    """

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Compute `outputs` from `inputs`, overwriting whatever `outputs` held."""
        ...

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradient of each input whose entry in `in_grads` is an array; None entries are skipped."""
        ...
