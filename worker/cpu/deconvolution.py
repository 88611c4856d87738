"""Deconvolution by the compiled kernel of the convolution that it is the transpose of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..array import Array
from ..ops.deconvolution import transposed_backward, transposed_forward
from ..ops.operator import Step

if TYPE_CHECKING:
    from .registry import Kernel


class DeconvolutionKernel:
    """data (n, C, ...), weight (C, F / groups, ...), bias (F,) -> (n, F, ...)."""

    def __init__(self, convolution: Kernel) -> None:
        """`convolution` leads from the output to the data."""
        self.convolution = convolution

    def forward(self, step: Step, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Write the output."""
        transposed_forward(self.convolution, step, inputs, outputs)

    def backward(
        self,
        step: Step,
        out_grads: Sequence[Array],
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        in_grads: Sequence[Array | None],
    ) -> None:
        """Write the gradients of data, weight and bias, those that are asked for."""
        transposed_backward(self.convolution, step, out_grads, inputs, in_grads)
