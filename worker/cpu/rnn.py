"""RNN with its products on register tiles of our own and everything between them compiled, for float32."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...common.call_table import Row, in_python
from ..array import Array, Arrays, Gradients, Shape, aligned_empty
from ..ops.operator import Step
from .rnn_dropout import drop
from .rnn_layer import LayerPass
from .row_kernel import RowKernel

if TYPE_CHECKING:
    from ..ops.rnn import RNN


class RnnKernel(RowKernel):
    """data (T, N, C), a vector of parameters, state and cell -> (T, N, H * directions), as ops.rnn.RNN has them.

    Forward leaves in arrays of the kernel's own what backward needs: the outputs of layers, cells, and gates.
    """

    def __init__(self, op: RNN) -> None:
        self.op = op
        self._bound: list[tuple[int, Shape]] = []
        self._passes: list[LayerPass] = []

    def takes(self, inputs: Arrays) -> bool:
        """States are read layer by layer, so they may have gaps between layers, as parts of a batch do."""
        return all(part.flags.c_contiguous for array in inputs[2:] for part in array) and super().takes(inputs[:2])

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Layer by layer, in each over the whole sequence."""
        rows = []
        for index, one in enumerate(self._lay_out(inputs, outputs)):
            layer = index // self._directions
            if layer and one.direction == 0 and self.op.p > 0:
                rows.append(in_python(partial(drop, self.op, step, self._passes[index - 1].out, one.data, layer)))
            last = [array[index] for array in outputs[1:]]
            rows += one.forward_rows(*(*last, None, None)[:2])
        return rows

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Back through the layers, from what the last forward has left."""
        rows, grad, sequence = [], out_grads[0], self._passes[-1].out.shape
        targets = [] if in_grads[1] is None else self.op.layout().unpack(in_grads[1], inputs[0].shape[2])
        sum_grads = aligned_empty((sequence[0] * sequence[1], self._passes[0].width))
        # Those of what layers above the first read. Only two neighbours are needed at a time.
        between = [aligned_empty(sequence) for _ in range(min(2, self.op.num_layers - 1))]
        for index in reversed(range(len(self._passes))):
            layer, one = index // self._directions, self._passes[index]
            rows += self._through_time(index, grad, sum_grads, out_grads[1:], in_grads[2:])
            if targets:
                rows += one.weight_rows(sum_grads, targets[index])
            # Both directions read the same data, so their gradients add up.
            adds = one.direction < self._directions - 1
            if layer:
                below = between[layer % len(between)]
                rows += one.data_rows(sum_grads, below, adds)
                if one.direction == 0:
                    rows += [in_python(partial(drop, self.op, step, below, below, layer))] if self.op.p > 0 else []
                    grad = below
            elif in_grads[0] is not None:
                rows += one.data_rows(sum_grads, in_grads[0], adds)
        return rows

    def _through_time(
        self, index: int, grad: Array, sum_grads: Array, last_grads: Arrays, first_grads: Gradients
    ) -> list[Row]:
        """The rows of one layer and direction; the gradients of states have all layers, and may be missing."""
        one, wanted = self._passes[index], [None if array is None else array[index] for array in first_grads]
        first = [aligned_empty(one.state.shape) if array is None else array for array in wanted]
        state, cell = (*first, None)[:2]
        last_state, last_cell = (*(array[index] for array in last_grads), None, None)[:2]
        assert state is not None
        return one.backward_rows(grad, (last_state, last_cell), sum_grads, (state, cell), wanted[0] is not None)

    def _lay_out(self, inputs: Arrays, outputs: Arrays) -> list[LayerPass]:
        """Each layer and direction with its arrays, once for the same inputs and outputs: both passes need the same."""
        bound = [(array.ctypes.data, array.shape) for array in (*inputs, *outputs)]
        if bound != self._bound:
            self._bound, self._passes = bound, self._new_passes(inputs, outputs)
        return self._passes

    def _new_passes(self, inputs: Arrays, outputs: Arrays) -> list[LayerPass]:
        op, weights = self.op, self.op.layout().unpack(inputs[1], inputs[0].shape[2])
        between = [aligned_empty(outputs[0].shape) for _ in range(op.num_layers - 1)]
        # What a layer reads is what the one below has written, but for dropout.
        read = [inputs[0], *(between if op.p == 0 else [aligned_empty(array.shape) for array in between])]
        written, passes = [*between, outputs[0]], []
        for index, weight in enumerate(weights):
            layer, direction = divmod(index, self._directions)
            state, cell = inputs[2][index], inputs[3][index] if op.mode == "lstm" else None
            passes.append(LayerPass(op.mode, weight, read[layer], state, cell, written[layer], direction))
        return passes

    @property
    def _directions(self) -> int:
        return 2 if self.op.bidirectional else 1
