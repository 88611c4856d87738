"""One layer of a recurrent network in one direction: forward over a whole sequence, and back through time.

T is the length of the sequence, N the number of rows, C the width of data, H that of the state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..array import Array
from .recurrent_cells import Cell


@dataclass
class Weights:
    """Views of a layer's parameters, or of their gradients.

    input (gates * H, C), state (gates * H, H), both biases (gates * H,).
    """

    input: Array
    state: Array
    input_bias: Array
    state_bias: Array


@dataclass
class LayerHistory:
    """What backward needs. Entry k belongs to step k of the recurrence, which in a reverse layer starts at the end."""

    data: Array  # (T, N, C)
    states: list[Array] = field(default_factory=list)  # before each step, and after the last
    cells: list[Array | None] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)


def run(
    xp: Any, kind: Cell, weights: Weights, data: Array, state: Array, cell: Array | None, out: Array
) -> LayerHistory:
    """Run over data (T, N, C) from a first state and cell (N, H); write the state after each step to out (T, N, H)."""
    history = LayerHistory(data, [state], [cell])
    length, rows = data.shape[:2]
    # W data does not depend on the recurrence, so it is one large product over all steps; only R state must wait.
    projected = xp.matmul(data.reshape(length * rows, -1), weights.input.T)
    projected += weights.input_bias
    for k, x in enumerate(projected.reshape(length, rows, -1)):
        h = xp.matmul(history.states[-1], weights.state.T)
        h += weights.state_bias
        new, new_cell, kept = kind.step(xp, x, h, history.states[-1], history.cells[-1])
        out[k] = new
        history.states.append(new)
        history.cells.append(new_cell)
        history.kept.append(kept)
    return history


def run_back(
    xp: Any,
    kind: Cell,
    weights: Weights,
    history: LayerHistory,
    out_grad: Array,
    state_grad: Array,
    cell_grad: Array | None,
) -> tuple[Array, Array, Array, Array | None]:
    """Gradients of x and h, both (T, N, gates * H), and of the first state and cell (N, H), cell None except for LSTM.

    `out_grad` (T, N, H) is the gradient of the outputs; `state_grad` and `cell_grad` (N, H) those of the last state
    and cell. Backpropagation through time: step k gets its output's gradient plus what step k + 1 passes on.
    """
    length = len(history.kept)
    # Placeholders: every entry is replaced below, from the last to the first.
    x_grads: list[Array] = [out_grad] * length
    h_grads: list[Array] = [out_grad] * length
    for k in reversed(range(length)):
        total = state_grad + out_grad[k]
        found = kind.back(xp, total, cell_grad, history.kept[k], history.states[k], history.cells[k])
        x_grads[k], h_grads[k], cell_grad = found.x, found.h, found.cell
        state_grad = xp.matmul(found.h, weights.state)  # through h = R state + b'
        if found.state is not None:
            state_grad += found.state
    return xp.stack(x_grads), xp.stack(h_grads), state_grad, cell_grad


def write_gradients(xp: Any, history: LayerHistory, x_grad: Array, h_grad: Array, target: Weights) -> None:
    """Write the gradients of a layer's parameters to `target`, from those of x and h, both (T, N, gates * H).

    One matrix product over all steps replaces a sum over T products.
    """
    x, h = x_grad.reshape(-1, x_grad.shape[2]), h_grad.reshape(-1, h_grad.shape[2])
    target.input[...] = xp.matmul(x.T, history.data.reshape(len(x), -1))
    target.state[...] = xp.matmul(h.T, xp.stack(history.states[:-1]).reshape(len(h), -1))
    target.input_bias[...] = xp.sum(x, axis=0)
    target.state_bias[...] = xp.sum(h, axis=0)
