"""Products of matrices on register tiles of our own, inside kernels, for operands that need no packing.

BLAS copies both factors into panels first. Where they already lie well, as Winograd's tiles do, that costs more than
it brings, and a call for each of many small products costs as much again.

B and C are given by panels of sixteen columns, each panel with rows that lie `ldb` and `ldc` floats apart: 16, or the
length of a row of a plain matrix, whose panels are 16 floats apart.
"""

from __future__ import annotations

from ...common.jit import kernel
from .vectors import WIDTH, register_tile

COLUMNS = 16  # of a panel
# As many accumulators as fit beside the factors: AVX has 16 registers, AVX-512 and NEON have 32.
ROWS = 24 if WIDTH == 16 else 6
_write, _write_line = (register_tile(rows, COLUMNS // WIDTH, adds=False) for rows in (ROWS, 1))
_add, _add_line = (register_tile(rows, COLUMNS // WIDTH, adds=True) for rows in (ROWS, 1))


@kernel
def multiply(
    a: int,
    strides: tuple[int, int],
    b: int,
    ldb: int,
    c: int,
    ldc: int,
    apart: tuple[int, int],
    shape: tuple[int, int, int],
    adds: bool,
) -> None:
    """C = A B for addresses of float32, A with strides in floats, B and C with panels that lie `apart` floats.

    `shape` is (rows of A, panels, depth). With `adds` C += A B, each number's chain going on from what is there.
    """
    rows, panels, depth = shape
    down, right = strides
    for panel in range(panels):
        factor, column = b + 4 * panel * apart[0], c + 4 * panel * apart[1]
        row = 0
        while row < rows:
            left, out = a + 4 * row * down, column + 4 * row * ldc
            whole = row + ROWS <= rows
            if whole and adds:
                _add(left, down, right, factor, ldb, out, ldc, depth)
            elif whole:
                _write(left, down, right, factor, ldb, out, ldc, depth)
            elif adds:
                _add_line(left, down, right, factor, ldb, out, ldc, depth)
            else:
                _write_line(left, down, right, factor, ldb, out, ldc, depth)
            row += ROWS if whole else 1
            # The last block may overlap the one before it, where it writes the same numbers again.
            if whole and not adds and row < rows < row + ROWS:
                row = rows - ROWS
