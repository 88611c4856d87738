"""One layer of a recurrent network in one direction over a whole sequence, and back through time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..array import Array
from .recurrent_cells import Cell


@dataclass
class Weights:
    """Views of a layer's parameters or of their gradients.

    input (gates * H, C), state (gates * H, H), biases (gates * H,).
    """

    input: Array
    state: Array
    input_bias: Array
    state_bias: Array


@dataclass
class Tape:
    """What the way back needs; step k of the recurrence is entry k (in reverse layers, from the sequence's end)."""

    data: Array
    states: list[Array] = field(default_factory=list)  # before each step, and after the last
    cells: list[Array | None] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)


def run(xp: Any, kind: Cell, weights: Weights, data: Array, state: Array, cell: Array | None, out: Array) -> Tape:
    """Write the states after each of the T steps over data (T, N, C) to out (T, N, H)."""
    tape = Tape(data, [state], [cell])
    length, rows = data.shape[:2]
    projected = xp.matmul(data.reshape(length * rows, -1), weights.input.T)
    projected += weights.input_bias
    for k, x in enumerate(projected.reshape(length, rows, -1)):
        h = xp.matmul(tape.states[-1], weights.state.T)
        h += weights.state_bias
        new, new_cell, kept = kind.step(xp, x, h, tape.states[-1], tape.cells[-1])
        out[k] = new
        tape.states.append(new)
        tape.cells.append(new_cell)
        tape.kept.append(kept)
    return tape


def run_back(
    xp: Any, kind: Cell, weights: Weights, tape: Tape, out_grad: Array, state_grad: Array, cell_grad: Array | None
) -> tuple[Array, Array, Array, Array | None]:
    """Gradients of x and of h (T, N, gates * H), and of the first state and cell.

    They follow from those of the outputs (T, N, H) and of the last state and cell.
    """
    length = len(tape.kept)
    x_grads: list[Array] = [out_grad] * length
    h_grads: list[Array] = [out_grad] * length
    for k in reversed(range(length)):
        total = state_grad + out_grad[k]
        found = kind.back(xp, total, cell_grad, tape.kept[k], tape.states[k], tape.cells[k])
        x_grads[k], h_grads[k], cell_grad = found.x, found.h, found.cell
        state_grad = xp.matmul(found.h, weights.state)
        if found.state is not None:
            state_grad += found.state
    return xp.stack(x_grads), xp.stack(h_grads), state_grad, cell_grad


def write_gradients(xp: Any, tape: Tape, x_grad: Array, h_grad: Array, target: Weights) -> None:
    """The gradients of a layer's parameters, from those of x and h, over all steps at once."""
    x, h = x_grad.reshape(-1, x_grad.shape[2]), h_grad.reshape(-1, h_grad.shape[2])
    target.input[...] = xp.matmul(x.T, tape.data.reshape(len(x), -1))
    target.state[...] = xp.matmul(h.T, xp.stack(tape.states[:-1]).reshape(len(h), -1))
    target.input_bias[...] = x.sum(axis=0)
    target.state_bias[...] = h.sum(axis=0)
