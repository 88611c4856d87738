"""One time step of each recurrent cell, forward and backward, given the gates' matrix products.

`x` is W data + b, `h` is R state + b', both (N, gates * H); state and cell are (N, H). The names follow cuDNN, whose
formulas and order of gates these are (and MXNet's).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from ..array import Array


class CellGradients(NamedTuple):
    """Gradients of what a step read: x and h (N, gates * H), state and cell (N, H).

    `state` is only the part that does not pass through R, as in GRU's z * state; the caller adds h R.
    """

    x: Array
    h: Array
    state: Array | None
    cell: Array | None


class Cell(Protocol):
    """A kind of recurrent cell. Arrays: x and h (N, gates * H), states and cells and their gradients (N, H)."""

    gates: int

    def step(self, xp: Any, x: Array, h: Array, state: Array, cell: Array | None) -> tuple[Array, Array | None, Any]:
        """Return the next state, the next cell (None except for LSTM), and whatever `back` needs."""
        ...

    def back(
        self, xp: Any, state_grad: Array, cell_grad: Array | None, kept: Any, state: Array, cell: Array | None
    ) -> CellGradients:
        """Gradients of what the step read, from those of the next state and cell; `kept` is what `step` returned."""
        ...


class Vanilla:
    """state' = f(x + h), f being tanh or relu; all arrays are (N, H)."""

    gates = 1

    def __init__(self, function: str) -> None:
        self.function = function

    def step(self, xp: Any, x: Array, h: Array, state: Array, cell: Array | None) -> tuple[Array, Array | None, Any]:
        """The next state, which is also all that `back` needs."""
        total = x + h
        new = xp.tanh(total) if self.function == "tanh" else xp.maximum(total, 0)
        return new, None, new

    def back(
        self, xp: Any, state_grad: Array, cell_grad: Array | None, kept: Any, state: Array, cell: Array | None
    ) -> CellGradients:
        """The state's gradient times f', which follows from the next state y: 1 - y^2 for tanh.

        For relu it is the sign of y, which is not negative: NaN where y is NaN, which a comparison would turn into 0.
        """
        grad = state_grad * (1 - kept * kept if self.function == "tanh" else xp.sign(kept))
        return CellGradients(grad, grad, None, None)


class Lstm:
    """i, f, o = sigmoid(x + h), g = tanh(x + h), in the order i f g o; cell' = f cell + i g, state' = o tanh(cell').

    x and h are (N, 4 H), state and cell (N, H). Hochreiter, Schmidhuber: "Long short-term memory" (1997), with the
    forget gate of Gers, Schmidhuber, Cummins (2000).
    """

    gates = 4

    def step(self, xp: Any, x: Array, h: Array, state: Array, cell: Array | None) -> tuple[Array, Array | None, Any]:
        """The next state, the next cell, and (i, f, g, o, tanh(cell')) for `back`."""
        i, f, g, o = _parts(x + h, 4)  # here the two biases add up to one; only GRU keeps them apart
        i, f, g, o = _sigmoid(xp, i), _sigmoid(xp, f), xp.tanh(g), _sigmoid(xp, o)
        new_cell = f * cell + i * g
        squashed = xp.tanh(new_cell)
        return o * squashed, new_cell, (i, f, g, o, squashed)

    def back(
        self, xp: Any, state_grad: Array, cell_grad: Array | None, kept: Any, state: Array, cell: Array | None
    ) -> CellGradients:
        """The chain rule through state' and cell'. x and h only occur as a sum, so they share one gradient."""
        i, f, g, o, squashed = kept
        # The cell's own gradient, plus what arrives through state' = o tanh(cell').
        total = cell_grad + state_grad * o * (1 - squashed * squashed)
        gates = [
            total * g * i * (1 - i),
            total * cell * f * (1 - f),
            total * i * (1 - g * g),
            state_grad * squashed * o * (1 - o),
        ]
        grad = xp.concatenate(gates, axis=1)
        return CellGradients(grad, grad, None, total * f)


class Gru:
    """r, z = sigmoid(x + h), n = tanh(x_n + r h_n), in the order r z n; state' = (1 - z) n + z state.

    x and h are (N, 3 H), state (N, H). This is cuDNN's variant of Cho and others (2014), in which r multiplies the
    product R state after it is made; there it multiplies the state before.
    """

    gates = 3

    def step(self, xp: Any, x: Array, h: Array, state: Array, cell: Array | None) -> tuple[Array, Array | None, Any]:
        """The next state, and (r, z, n, h_n) for `back`."""
        (x_r, x_z, x_n), (h_r, h_z, h_n) = _parts(x, 3), _parts(h, 3)
        r, z = _sigmoid(xp, x_r + h_r), _sigmoid(xp, x_z + h_z)
        n = xp.tanh(x_n + r * h_n)
        return (1 - z) * n + z * state, None, (r, z, n, h_n)

    def back(
        self, xp: Any, state_grad: Array, cell_grad: Array | None, kept: Any, state: Array, cell: Array | None
    ) -> CellGradients:
        """The chain rule; r multiplies h_n but not x_n, so that x and h get different gradients."""
        r, z, n, h_n = kept
        # Gradients before the nonlinearity: tanh' = 1 - n^2 and sigmoid' = r (1 - r).
        d_n = state_grad * (1 - z) * (1 - n * n)
        d_z = state_grad * (state - n) * z * (1 - z)
        d_r = d_n * h_n * r * (1 - r)
        # The last third of h was multiplied by r; the rest of x and h occurs only as their sum.
        x, h = xp.concatenate([d_r, d_z, d_n], axis=1), xp.concatenate([d_r, d_z, d_n * r], axis=1)
        return CellGradients(x, h, state_grad * z, None)


CELLS: dict[str, Cell] = {"rnn_relu": Vanilla("relu"), "rnn_tanh": Vanilla("tanh"), "lstm": Lstm(), "gru": Gru()}


def _parts(gates: Array, count: int) -> list[Array]:
    """Views (N, H) of the gates side by side in (N, count * H)."""
    width = gates.shape[1] // count
    return [gates[:, k * width : (k + 1) * width] for k in range(count)]


def _sigmoid(xp: Any, x: Array) -> Array:
    y: Array = 0.5 * xp.tanh(0.5 * x) + 0.5  # never overflows
    return y
