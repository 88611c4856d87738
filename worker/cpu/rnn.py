"""RNN that remembers its forward pass, so that backward need not compute it again, as the plain version does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..array import Arrays, Gradients
from ..ops.operator import Step

if TYPE_CHECKING:
    from ..ops.recurrent_layer import LayerHistory
    from ..ops.rnn import RNN


class RnnKernel:
    """The plain version with its histories (what each layer needs for its gradient) kept from forward to backward.

    data (T, N, C), a vector of parameters, state and cell -> (T, N, H * directions), as ops.rnn.RNN has them.
    """

    def __init__(self, op: RNN) -> None:
        self.op = op
        self.histories: list[LayerHistory] = []

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Compute layer by layer; keep the histories while training."""
        histories = self.op.recorded(step, inputs, outputs)
        self.histories = histories if step.is_train else []  # a prediction keeps none

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients that are asked for, from the histories of the last forward if it was a training's."""
        if not self.histories:
            self.op.backward(step, out_grads, inputs, outputs, in_grads)
            return
        self.op.backward_from(self.histories, step, out_grads, inputs, in_grads)
