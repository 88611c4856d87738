"""Deconvolution by the compiled kernel of the convolution whose transpose it is."""

from __future__ import annotations

from collections.abc import Callable

from ..array import Array, Arrays, Gradients
from ..ops.deconvolution import transposed_backward, transposed_forward
from ..ops.kernel import Kernel
from ..ops.operator import Step


class DeconvolutionKernel:
    """data (n, C, ...), weight (C, F / groups, ...), bias (F,) -> (n, F, ...)."""

    def __init__(self, convolution: Kernel) -> None:
        """`convolution` is the kernel of the convolution that leads from the output to the data."""
        self.convolution = convolution
        # A kernel that arranges the weight may do so in forward, for the backward that follows. A deconvolution starts
        # with that backward, so it has to give the weight first.
        self._arrange_weight: Callable[[Array], None] | None = getattr(convolution, "arrange_weight", None)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the output: the convolution's data gradient, plus bias."""
        if self._arrange_weight is not None:
            self._arrange_weight(inputs[1])
        transposed_forward(self.convolution, step, inputs, outputs)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients of data, weight and bias, those that are asked for."""
        transposed_backward(self.convolution, step, out_grads, inputs, in_grads)
