"""What recurrent cells compute between their products, number by number: the formulas of ops/recurrent_cells.py.

Each loop runs along one row of H numbers. Forward replaces the sums of a row's gates by what backward needs of them;
backward takes the gradient of the state from two places, the step's output and the step behind it, and leaves in the
second's place what of the state's own gradient does not pass through the product with R.
"""

from __future__ import annotations

from .functions import sigmoid, tanh
from .values import Value
from .vector_loops import mapped_together


def _lstm(i: Value, f: Value, g: Value, o: Value, cell: Value) -> tuple[Value, ...]:
    """The gates, cell' and state'."""
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    new = f * cell + i * g
    return i, f, g, o, new, o * tanh(new)


def _lstm_back(
    passed: Value, out: Value, cell_grad: Value, i: Value, f: Value, g: Value, o: Value, cell: Value, new: Value
) -> tuple[Value, ...]:
    """The gradients of the sums of the gates, of the cell, and none of the state's own."""
    grad, squashed = passed + out, tanh(new)
    total = cell_grad + grad * o * (1.0 - squashed * squashed)
    return (
        total * g * i * (1.0 - i),
        total * cell * f * (1.0 - f),
        total * i * (1.0 - g * g),
        grad * squashed * o * (1.0 - o),
        total * f,
        passed.like(0.0),
    )


def _gru(r: Value, z: Value, x_n: Value, h_n: Value, state: Value) -> tuple[Value, ...]:
    """r, z, n and state'."""
    r, z = sigmoid(r), sigmoid(z)
    n = tanh(x_n + r * h_n)
    return r, z, n, (1.0 - z) * n + z * state


def _gru_back(passed: Value, out: Value, r: Value, z: Value, n: Value, h_n: Value, state: Value) -> tuple[Value, ...]:
    """The gradients of the sums r, z, x_n and h_n, and the state's own."""
    grad = passed + out
    d_n = grad * (1.0 - z) * (1.0 - n * n)
    return d_n * h_n * r * (1.0 - r), grad * (state - n) * z * (1.0 - z), d_n, d_n * r, grad * z


def _tanh_back(passed: Value, out: Value, state: Value) -> tuple[Value, ...]:
    return (passed + out) * (1.0 - state * state), passed.like(0.0)


def _relu_back(passed: Value, out: Value, state: Value) -> tuple[Value, ...]:
    # The slope is the sign of what is not negative; NaN stays NaN.
    return (passed + out) * (state > 0.0).choose(1.0, state), passed.like(0.0)


# Each is called with the addresses of the rows that are read, of those that are written, and H.
lstm, lstm_back = mapped_together(_lstm), mapped_together(_lstm_back)
gru, gru_back = mapped_together(_gru), mapped_together(_gru_back)
rnn_tanh, rnn_tanh_back = mapped_together(lambda total: (tanh(total),)), mapped_together(_tanh_back)
rnn_relu, rnn_relu_back = mapped_together(lambda total: (total.at_least(0.0),)), mapped_together(_relu_back)
