"""Panels and transposes: every number arrives, missing lanes are zero, and nothing is written beside them."""

import numba
import numpy as np
import pytest

from pushgrad.worker.cpu.line_transposes import _transposing
from pushgrad.worker.cpu.panels import address, pack, transpose, whole


def numbered(*shape):
    return np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)


@numba.njit
def packed(matrix, along, across, depth, lanes, out):
    pack(address(matrix), (whole(along), whole(across)), depth, lanes, address(out))


@numba.njit
def transposed(matrix, apart, rows, columns, out, out_apart):
    transpose(address(matrix), apart, address(out), out_apart, rows, columns)


# A whole panel, several, one that is not full, with and without what is left of four numbers.
@pytest.mark.parametrize("lanes", [1, 4, 15, 16, 23, 40])
@pytest.mark.parametrize("depth", [1, 3, 8, 21])
@pytest.mark.parametrize("kind", ["lines", "lanes", "neither"])
def test_a_matrix_as_panels(lanes, depth, kind):
    matrix = numbered(depth, lanes)  # by place on the inner axis and lane
    laid = {
        "lines": np.pad(matrix, ((0, 0), (0, 3))),  # lanes lie side by side
        "lanes": np.pad(matrix.T, ((0, 0), (0, 3))).T,  # so does a lane's depth
        "neither": np.repeat(np.pad(matrix, ((0, 0), (0, 3))), 2, axis=1)[:, ::2],
    }[kind]
    along, across = (stride // 4 for stride in laid.strides)
    panels = -(-lanes // 16)
    out = np.full(panels * depth * 16 + 8, 7, np.float32)
    packed(laid, along, across, depth, lanes, out)
    expected = np.pad(matrix, ((0, 0), (0, 16 * panels - lanes))).reshape(depth, panels, 16).transpose(1, 0, 2)
    np.testing.assert_array_equal(out[:-8].reshape(panels, depth, 16), expected)
    assert (out[-8:] == 7).all()


@pytest.mark.parametrize(
    "shape", [(1, 9), (3, 50), (4, 4), (5, 6), (16, 16), (19, 2), (31, 33), (36, 70), (64, 49), (129, 150)]
)
def test_a_matrix_transposed(shape):
    rows, columns = shape
    given, out = np.pad(numbered(*shape), ((0, 0), (0, 2))), np.full((columns + 1, rows + 3), 7, np.float32)
    transposed(given, columns + 2, rows, columns, out, rows + 3)
    np.testing.assert_array_equal(out[:columns, :rows], given[:, :columns].T)
    assert (out[columns:] == 7).all()
    assert (out[:, rows:] == 7).all()


@pytest.mark.parametrize("lines", [4, 8, 16])
def test_lines_are_transposed_at_every_width(lines):
    turn = _transposing(lines)  # LLVM splits vectors that the processor lacks

    @numba.njit
    def run(given, out):
        turn(address(given), whole(given.shape[1]), address(out), whole(out.shape[1]), 12)

    given, out = numbered(lines, 14), np.full((12, lines + 1), 7, np.float32)
    run(given, out)
    np.testing.assert_array_equal(out[:, :lines], given[:, :12].T)
    assert (out[:, lines] == 7).all()
