"""RNN: layers of recurrent cells over a sequence, with all their parameters in one vector.

recurrent_cells.py has the formulas of one time step, recurrent_layer.py one layer in one direction, and
recurrent_vector.py the vector's layout; here they are put together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...common.errors import ParameterError
from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Choice, Float, Int, Optional
from .recurrent_cells import CELLS
from .recurrent_layer import LayerHistory, run, run_back, write_gradients
from .recurrent_vector import VectorLayout
from .shapes import merge


class RNN(Operator):
    """data (T, N, C), a vector of parameters, state and for lstm state_cell (L, N, H) -> (T, N, H * directions).

    H is state_size, L = num_layers * directions. With state_outputs, the last state and cell are outputs, too.
    `bidirectional` runs each layer in both directions and joins the outputs, forward first. While training, each output
    of a layer but the last is dropped with probability p before the next layer reads it; the decisions for row r of the
    global batch are numbers of the node's `RandomStream` that depend on r and not on which worker computes it.

    In FeedForward, states that nobody gives are zero. `parameters` has the layout of cuDNN's vector: for each layer and
    direction the input weight (gates * H, C) and the state weight (gates * H, H); then for each the two biases (gates *
    H,). Gates are in the order i f g o for lstm and r z n for gru; `recurrent_cells` has the formulas. The parameters
    that clip LSTM states are accepted and ignored, as by MXNet on the CPU.
    """

    zero_by_default = ("state", "state_cell")
    state_size = Int(minimum=1)
    num_layers = Int(minimum=1, maximum=1000)
    mode = Choice("rnn_relu", "rnn_tanh", "lstm", "gru")
    bidirectional = Bool(False)
    p = Float(0.0, low=0.0)
    state_outputs = Bool(False)
    projection_size = Optional(Int(minimum=1))
    use_sequence_length = Bool(False)
    lstm_state_clip_min = Optional(Float())
    lstm_state_clip_max = Optional(Float())
    lstm_state_clip_nan = Bool(False)

    def check(self) -> None:
        """Raise ParameterError unless p < 1, and for projections and sequence lengths, which are not supported."""
        if not self.p < 1:
            raise ParameterError("RNN: parameter p", expected="a number in [0, 1)", got=self.p)
        for name in ("projection_size", "use_sequence_length"):
            if getattr(self, name):
                raise ParameterError(f"RNN: parameter {name} is not supported", got=getattr(self, name))

    def arguments(self) -> tuple[str, ...]:
        """data, parameters, state and, for lstm, state_cell."""
        return ("data", "parameters", "state", *(("state_cell",) if self.mode == "lstm" else ()))

    def outputs(self) -> tuple[str, ...]:
        """output and, with state_outputs, state_output and for lstm statecell_output."""
        states = ("state_output", *(("statecell_output",) if self.mode == "lstm" else ()))
        return ("output", *(states if self.state_outputs else ()))

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True: axis 0 is time, and a step depends on those before it."""
        return True

    def keeps_rows_apart(self, in_shapes: Sequence[Shape], axes: Sequence[int | None]) -> bool:
        """True where axis 1 is the batch, of data and of the states."""
        return tuple(axes) == (1, None, *(1 for _ in axes[2:]))

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The vector's length from data's C; time and batch size from whichever array has them.

        Raises ShapeError if the shapes contradict each other.
        """
        width = self.state_size * self._directions()
        data = merge(in_shapes[0], (0, 0, 0), "RNN: data")
        out = merge(out_shapes[0], (0, 0, width), "RNN: output")
        # First what the parameters fix, then what the states add; then data and output complete each other's T and N.
        states: PartialShape = (self.num_layers * self._directions(), 0, self.state_size)
        for shape, name in zip((*in_shapes[2:], *out_shapes[1:]), self._state_names(), strict=True):
            states = merge(shape, states, f"RNN: {name}")
        assert data is not None and out is not None and states is not None
        data = merge(data, (*out[:2], 0), "RNN: data")
        data = merge(data, (0, states[1], 0), "RNN: data")
        assert data is not None
        length = self.layout().length(data[2]) if data[2] else 0
        parameters = merge(in_shapes[1], (length,), "RNN: parameters")
        states = (states[0], data[1], states[2])
        count_in, count_out = len(self.arguments()) - 2, len(self.outputs()) - 1
        return [data, parameters, *[states] * count_in], [(*data[:2], width), *[states] * count_out]

    def _state_names(self) -> list[str]:
        return [*self.arguments()[2:], *self.outputs()[1:]]

    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def layout(self) -> VectorLayout:
        """Where each weight and bias lies in `parameters`."""
        return VectorLayout(CELLS[self.mode].gates, self.state_size, self.num_layers, self._directions())

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Compute layer by layer, in each over the whole sequence."""
        self._recorded(step, inputs, outputs)

    def _recorded(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[LayerHistory]:
        """Compute `outputs` as `forward` does; return what `backward` needs, for each layer and direction."""
        xp, data, size = step.xp, inputs[0], self.state_size
        weights, histories = self.layout().unpack(inputs[1], data.shape[2]), []
        for layer in range(self.num_layers):
            if layer > 0:
                data = self._dropped(step, data, layer)
            # Both directions write their half of the last axis, so joining them needs no copy.
            last = layer == self.num_layers - 1
            out = outputs[0] if last else xp.empty(outputs[0].shape, outputs[0].dtype)
            for direction in range(self._directions()):
                index = layer * self._directions() + direction
                part = out[..., direction * size : (direction + 1) * size]
                cell = inputs[3][index] if self.mode == "lstm" else None
                history = run(
                    xp,
                    CELLS[self.mode],
                    weights[index],
                    _turned(data, direction),
                    inputs[2][index],
                    cell,
                    _turned(part, direction),
                )
                histories.append(history)
            data = out
        # For a reverse layer, the last state of the recurrence is the one at the sequence's start.
        for index, history in enumerate(histories if self.state_outputs else []):
            outputs[1][index] = history.states[-1]
            if self.mode == "lstm":
                outputs[2][index] = history.cells[-1]
        return histories

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Run forward once more, into scratch arrays, then back through time: an Operator keeps nothing of forward."""
        again = [step.xp.empty(array.shape, array.dtype) for array in outputs]
        histories = self._recorded(step, inputs, again)
        xp, grad, weights = step.xp, out_grads[0], self.layout().unpack(inputs[1], inputs[0].shape[2])
        # Views of the parameters' gradient: writing to them fills the vector in its own order.
        targets = [] if in_grads[1] is None else self.layout().unpack(in_grads[1], inputs[0].shape[2])
        for layer in reversed(range(self.num_layers)):
            data_grad: Any = 0
            for direction in range(self._directions()):
                index = layer * self._directions() + direction
                part = grad[..., direction * self.state_size : (direction + 1) * self.state_size]
                state_grad, cell_grad = self._last_gradients(xp, inputs, out_grads, index)
                history = histories[index]
                x, h, state, cell = run_back(
                    xp, CELLS[self.mode], weights[index], history, _turned(part, direction), state_grad, cell_grad
                )
                if targets:
                    write_gradients(xp, history, x, h, targets[index])
                self._give_states(in_grads, index, state, cell)
                # Both directions read the same data, so their gradients add up; the first layer's may not be wanted.
                if layer > 0 or in_grads[0] is not None:
                    data_grad = data_grad + _turned(xp.matmul(x, weights[index].input), direction)
            grad = self._dropped(step, data_grad, layer) if layer > 0 else data_grad
        if in_grads[0] is not None:
            in_grads[0][...] = grad

    def _last_gradients(self, xp: Any, inputs: Arrays, out_grads: Arrays, index: int) -> tuple[Array, Array | None]:
        """The gradients of the last state and cell of one layer and direction, zero unless these are outputs."""
        if self.state_outputs:
            return out_grads[1][index], out_grads[2][index] if self.mode == "lstm" else None
        zeros = xp.zeros_like(inputs[2][index])  # never written to, so state and cell can share it
        return zeros, zeros if self.mode == "lstm" else None

    @staticmethod
    def _give_states(in_grads: Gradients, index: int, state: Array, cell: Array | None) -> None:
        for target, value in zip(in_grads[2:], (state, cell), strict=False):
            if target is not None:
                target[index] = value

    def _dropped(self, step: Step, data: Array, layer: int) -> Array:
        """What layer `layer` > 0 reads of the output (T, N, width) of the layer below; the same maps gradients back."""
        if not (step.is_train and self.p > 0):
            return data
        xp, (length, rows, width) = step.xp, data.shape
        # A row's numbers for all layers lie together in the stream, so that their place follows from the row's index
        # alone. Each layer draws them all and takes its own.
        per_row = (self.num_layers - 1) * length * width
        drawn = step.random_bits(step.first_row * per_row, rows * per_row)
        mine = drawn.reshape(rows, self.num_layers - 1, length, width)[:, layer - 1].swapaxes(0, 1)
        # The same threshold as Dropout's, in uint64 because it is 2^32 for tiny p.
        kept: Array = xp.where(mine < np.uint64(math.ceil((1 - self.p) * 2**32)), data / (1 - self.p), 0)
        return kept


def _turned(sequence: Array, direction: int) -> Array:
    """A view of the sequence (T, ...), from its end for direction 1."""
    return sequence[::-1] if direction else sequence
