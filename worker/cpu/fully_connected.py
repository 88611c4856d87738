"""FullyConnected with the bias and the activation behind it in one pass, for float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.operator import Step
from .elementwise import activate, multiply_by_slope
from .scratch import scratch

if TYPE_CHECKING:
    from ..ops.fully_connected import FullyConnected


class FullyConnectedKernel:
    """Forward and backward of FullyConnected -> activation (or none).

    data (N, ...), weight (F, D), bias (F,) -> (N, F) or (..., F), as the operator says; D is the length of a data row.
    """

    def __init__(self, op: FullyConnected, act_type: str | None) -> None:
        self.op, self.act_type = op, act_type

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write f(x W^T + b)."""
        weight = inputs[1]
        out = outputs[0].reshape(-1, len(weight))
        np.matmul(inputs[0].reshape(-1, weight.shape[1]), weight.T, out=out)
        # Bias and relu in one pass halve the traffic; with other activations the function itself takes the time.
        if self.act_type == "relu" and not self.op.no_bias:
            _add_bias_relu(out, inputs[2])
            return
        if not self.op.no_bias:
            np.add(out, inputs[2], out=out)
        if self.act_type:
            activate(self.act_type, out)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the operator's gradients, given that of what stands before the activation, dy f'(x)."""
        grad = out_grads[0]
        if self.act_type:
            grad = multiply_by_slope(self.act_type, outputs[0], grad, scratch("slope", grad.shape))
        # Three products and a sum, all numpy's: there is nothing to compile.
        self.op.backward(step, [grad], inputs, outputs, in_grads)


@kernel
def _add_bias_relu(out: Array, bias: Array) -> None:
    for row in range(out.shape[0]):
        values = out[row]
        for i in range(bias.size):
            # In this order: where the first argument is NaN, max returns it, as numpy's maximum does.
            values[i] = max(values[i] + bias[i], np.float32(0))
