"""One layer in one direction of a recurrent network, as rows of a table of calls.

T is the length of the sequence, N the number of rows, C the width of data, H that of the state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...common.call_table import Row
from ...common.compiled_calls import address_of
from ..array import Array, aligned_empty, aligned_zeros
from ..ops.recurrent_layer import Weights
from .matmul import product_row
from .plane_lanes import LANES, padded
from .rnn_cells import STEPS, STEPS_BACK
from .rnn_steps import Backward, Forward, backward_steps, forward_steps, room_for
from .rnn_sums import add_product_row, begin_row, fill_row, sum_columns_row


class Block(NamedTuple):
    """Gates that lie side by side in a row of sums and in the weights: the first of each and their number, by H."""

    column: int
    row: int
    gates: int


class Sums(NamedTuple):
    """How a row of a step's sums is laid out, in units of H.

    `inputs` are the blocks of W data + b. R state is added to all columns from `state` on.
    """

    width: int
    inputs: tuple[Block, ...]
    state: int = 0


# A GRU keeps x_n and h_n apart: the one lies before r and z, so that all that reads R lies side by side.
_LAYOUTS = {
    "lstm": Sums(4, (Block(0, 0, 4),)),
    "gru": Sums(4, (Block(1, 0, 2), Block(0, 2, 1)), state=1),
    "rnn_tanh": Sums(1, (Block(0, 0, 1),)),
    "rnn_relu": Sums(1, (Block(0, 0, 1),)),
}


@dataclass
class LayerPass:
    """The arrays of a layer and direction, which its rows read and write.

    data (T, N, C), state and cell (N, H), out (T, N, H * directions) with this direction's columns from `first` on.
    """

    mode: str
    weights: Weights
    data: Array
    state: Array
    cell: Array | None
    out: Array
    direction: int

    def __post_init__(self) -> None:
        self._layout = _LAYOUTS[self.mode]
        steps, rows = self.data.shape[:2]
        self._size: int = self.weights.state.shape[1]
        # Of a row of sums. Rows that lie a power of two apart would compete for the same few lines of the cache.
        self.width = padded(self._layout.width * self._size) + LANES
        self._columns = slice(self.direction * self._size, (self.direction + 1) * self._size)
        self._sums = aligned_empty((steps * rows, self.width))
        self._cells = None if self.cell is None else aligned_empty((steps, rows, self._size))

    def forward_rows(self, last_state: Array | None, last_cell: Array | None) -> list[Row]:
        """Write the columns of `out`, and copies of the last state and cell (N, H) where they are wanted."""
        rows = [row for block in self._layout.inputs for row in self._projection(block)]
        if self._layout.state:  # b' of a GRU's h_n, with which R state begins
            rows.append(fill_row(self.weights.state_bias[2 * self._size :], self._sums[:, self._scaled(3, 1)]))
        function = address_of(STEPS[self.mode])
        return [*rows, Row(forward_steps, self._arguments(function, last_state, last_cell))]

    def _projection(self, block: Block) -> list[Row]:
        """W data + b + b', for the sums of some gates of all steps; b' not for a GRU's x_n."""
        gates, columns = self._gates(block), self._sums[:, self._scaled(block.column, block.gates)]
        first = aligned_zeros((padded(columns.shape[1]),))
        other = None if self._layout.state and block.row else self.weights.state_bias[gates]
        return [
            begin_row(self.weights.input_bias[gates], other, first),
            product_row(self._flat(self.data), self.weights.input[gates].T, columns, first),
        ]

    def backward_rows(
        self,
        out_grad: Array,
        last_grads: tuple[Array | None, Array | None],
        sum_grads: Array,
        first_grads: tuple[Array, Array | None],
        state_wanted: bool,
    ) -> list[Row]:
        """Write the gradients of the sums (T * N, width) and of the first state and cell (N, H).

        From those of `out`, of its shape, and of the last state and cell, None for zeros.
        """
        back = Backward(
            *last_grads,
            sum_grads=sum_grads,
            out_grads=out_grad[..., self._columns],
            out_pitch=out_grad.shape[2],
            state_grad=first_grads[0],
            cell_grad=first_grads[1],
            state_wanted=state_wanted,
        )
        forward = self._arguments(address_of(STEPS_BACK[self.mode]), None, None)
        return [Row(backward_steps, (*forward[:-2], *back))]

    def weight_rows(self, sum_grads: Array, target: Weights) -> list[Row]:
        """Write the gradients of the weights, from those of the sums."""
        rows = []
        for block in self._layout.inputs:
            columns = sum_grads[:, self._scaled(block.column, block.gates)]
            gates = self._gates(block)
            rows.append(product_row(columns.T, self._flat(self.data), target.input[gates]))
            other = None if self._layout.state and block.row else target.state_bias[gates]
            rows.append(sum_columns_row(columns, target.input_bias[gates], other))
        if self._layout.state:
            rows.append(sum_columns_row(sum_grads[:, self._scaled(3, 1)], target.state_bias[2 * self._size :], None))
        return rows + self._state_weight_rows(
            sum_grads[:, self._layout.state * self._size :][:, : len(target.state)], target.state
        )

    def _state_weight_rows(self, grads: Array, target: Array) -> list[Row]:
        """The sum over steps of the transposed gradients times the states before: the first one's, then the others'."""
        count, states = len(self.state), self._flat(self.out)[:, self._columns]
        first, others, before = (
            (grads[-count:], grads[:-count], states[count:])
            if self.direction
            else (grads[:count], grads[count:], states[:-count])
        )
        rows = [product_row(first.T, self.state, target)]
        return [*rows, add_product_row(others.T, before, target)] if len(others) else rows

    def data_rows(self, sum_grads: Array, data_grad: Array, adds: bool) -> list[Row]:
        """Write, or add, the gradient of `data`, from that of the sums."""
        rows, target = [], self._flat(data_grad)
        for number, block in enumerate(self._layout.inputs):
            columns = sum_grads[:, self._scaled(block.column, block.gates)]
            made = add_product_row if adds or number else product_row
            rows.append(made(columns, self.weights.input[self._gates(block)], target))
        return rows

    def _arguments(self, function: int, last_state: Array | None, last_cell: Array | None) -> Forward:
        rows, weight = len(self.state), self.weights.state
        return Forward(
            function=function,
            sums=self._sums,
            first_state=self.state,
            first_cell=self.cell,
            states=self.out[..., self._columns],
            pitch=self.out.shape[2],
            cells=self._cells,
            steps=len(self.out),
            rows=rows,
            size=self._size,
            width=self.width,
            column=self._layout.state * self._size,
            columns=len(weight),
            from_end=bool(self.direction),
            weight=weight,
            room=room_for(rows, self._size, len(weight)),
            last_state=last_state,
            last_cell=last_cell,
        )

    def _gates(self, block: Block) -> slice:
        return self._scaled(block.row, block.gates)

    def _scaled(self, first: int, count: int) -> slice:
        return slice(first * self._size, (first + count) * self._size)

    @staticmethod
    def _flat(sequence: Array) -> Array:
        """(T, N, width) as (T * N, width)."""
        return sequence.reshape(-1, sequence.shape[2])
