"""One step of each recurrent cell between its products, for all rows, forward and backward.

These functions are called by the loops over steps (rnn_steps.py). At the address that each is given lies a frame, of
whole numbers and addresses. In a row of a step's sums there are H columns for each gate: i f g o of an LSTM; x_n r z
h_n of a GRU, which become n r z h_n; a plain cell has no gates, and one sum.
"""

from __future__ import annotations

from ...common.compiled_calls import integer
from ...common.jit import kernel
from .rnn_gates import gru, gru_back, lstm, lstm_back, rnn_relu, rnn_relu_back, rnn_tanh, rnn_tanh_back

# What lies where in a frame. A pitch is the number of floats from row to row.
ROWS, SIZE, SUMS, WIDTH = 0, 1, 2, 3  # N, H, the step's sums or what has become of them, and their pitch
BEFORE, BEFORE_PITCH, STATE, STATE_PITCH = 4, 5, 6, 7  # the state before the step and behind it
CELL_BEFORE, CELL = 8, 9  # with pitch H
# Backward only: gradients of the sums, of the state by the next step, of the state as an output, and of the cell.
SUM_GRADS, PASSED, OUT_GRADS, OUT_PITCH, CELL_GRAD = 10, 11, 12, 13, 14
FRAME = 16


@kernel
def _row(frame: int, which: int, pitch: int, row: int) -> int:
    start: int = integer(frame, which)
    return start + 4 * row * pitch


@kernel
def _lstm(frame: int) -> int:
    size, width = integer(frame, SIZE), integer(frame, WIDTH)
    for row in range(integer(frame, ROWS)):
        i = _row(frame, SUMS, width, row)
        f, g, o = i + 4 * size, i + 8 * size, i + 12 * size
        before, new = _row(frame, CELL_BEFORE, size, row), _row(frame, CELL, size, row)
        state = _row(frame, STATE, integer(frame, STATE_PITCH), row)
        lstm((i, f, g, o, before), (i, f, g, o, new, state), size)
    return 0


@kernel
def _lstm_back(frame: int) -> int:
    size, width = integer(frame, SIZE), integer(frame, WIDTH)
    for row in range(integer(frame, ROWS)):
        i, to = _row(frame, SUMS, width, row), _row(frame, SUM_GRADS, width, row)
        f, g, o = i + 4 * size, i + 8 * size, i + 12 * size
        before, new = _row(frame, CELL_BEFORE, size, row), _row(frame, CELL, size, row)
        passed, cell_grad = _row(frame, PASSED, size, row), _row(frame, CELL_GRAD, size, row)
        out = _row(frame, OUT_GRADS, integer(frame, OUT_PITCH), row)
        targets = (to, to + 4 * size, to + 8 * size, to + 12 * size, cell_grad, passed)
        lstm_back((passed, out, cell_grad, i, f, g, o, before, new), targets, size)
    return 0


@kernel
def _gru(frame: int) -> int:
    size, width = integer(frame, SIZE), integer(frame, WIDTH)
    for row in range(integer(frame, ROWS)):
        n = _row(frame, SUMS, width, row)
        r, z, h_n = n + 4 * size, n + 8 * size, n + 12 * size
        before = _row(frame, BEFORE, integer(frame, BEFORE_PITCH), row)
        state = _row(frame, STATE, integer(frame, STATE_PITCH), row)
        gru((r, z, n, h_n, before), (r, z, n, state), size)
    return 0


@kernel
def _gru_back(frame: int) -> int:
    size, width = integer(frame, SIZE), integer(frame, WIDTH)
    for row in range(integer(frame, ROWS)):
        n, to = _row(frame, SUMS, width, row), _row(frame, SUM_GRADS, width, row)
        r, z, h_n = n + 4 * size, n + 8 * size, n + 12 * size
        before, passed = _row(frame, BEFORE, integer(frame, BEFORE_PITCH), row), _row(frame, PASSED, size, row)
        out = _row(frame, OUT_GRADS, integer(frame, OUT_PITCH), row)
        gru_back((passed, out, r, z, n, h_n, before), (to + 4 * size, to + 8 * size, to, to + 12 * size, passed), size)
    return 0


@kernel
def _rnn_tanh(frame: int) -> int:
    size, width = integer(frame, SIZE), integer(frame, WIDTH)
    for row in range(integer(frame, ROWS)):
        state = _row(frame, STATE, integer(frame, STATE_PITCH), row)
        rnn_tanh((_row(frame, SUMS, width, row),), (state,), size)
    return 0


@kernel
def _rnn_tanh_back(frame: int) -> int:
    size, width = integer(frame, SIZE), integer(frame, WIDTH)
    for row in range(integer(frame, ROWS)):
        passed, state = _row(frame, PASSED, size, row), _row(frame, STATE, integer(frame, STATE_PITCH), row)
        out = _row(frame, OUT_GRADS, integer(frame, OUT_PITCH), row)
        rnn_tanh_back((passed, out, state), (_row(frame, SUM_GRADS, width, row), passed), size)
    return 0


@kernel
def _rnn_relu(frame: int) -> int:
    size, width = integer(frame, SIZE), integer(frame, WIDTH)
    for row in range(integer(frame, ROWS)):
        state = _row(frame, STATE, integer(frame, STATE_PITCH), row)
        rnn_relu((_row(frame, SUMS, width, row),), (state,), size)
    return 0


@kernel
def _rnn_relu_back(frame: int) -> int:
    size, width = integer(frame, SIZE), integer(frame, WIDTH)
    for row in range(integer(frame, ROWS)):
        passed, state = _row(frame, PASSED, size, row), _row(frame, STATE, integer(frame, STATE_PITCH), row)
        out = _row(frame, OUT_GRADS, integer(frame, OUT_PITCH), row)
        rnn_relu_back((passed, out, state), (_row(frame, SUM_GRADS, width, row), passed), size)
    return 0


STEPS = {"lstm": _lstm, "gru": _gru, "rnn_tanh": _rnn_tanh, "rnn_relu": _rnn_relu}
STEPS_BACK = {"lstm": _lstm_back, "gru": _gru_back, "rnn_tanh": _rnn_tanh_back, "rnn_relu": _rnn_relu_back}
