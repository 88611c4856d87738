"""Products of matrices on register tiles of our own, inside kernels, for operands that need no packing.

BLAS copies both factors into panels first. Where they already lie well, as Winograd's tiles do, that costs more than
it brings, and a call for each of many small products costs as much again.
"""

from __future__ import annotations

from ...common.jit import kernel
from .vectors import WIDTH, register_tile

# As many accumulators as fit beside the factors: AVX has 16 registers, AVX-512 and NEON have 32.
ROWS = 6 if WIDTH == 8 else 12
_write = [register_tile(rows, vectors, adds=False) for rows, vectors in ((ROWS, 2), (ROWS, 1), (1, 2), (1, 1))]
_add = [register_tile(rows, vectors, adds=True) for rows, vectors in ((ROWS, 2), (ROWS, 1), (1, 2), (1, 1))]
_write_wide, _write_narrow, _write_wide_line, _write_narrow_line = _write
_add_wide, _add_narrow, _add_wide_line, _add_narrow_line = _add


@kernel
def multiply(
    a: int, down: int, right: int, b: int, ldb: int, c: int, ldc: int, rows: int, columns: int, depth: int
) -> None:
    """C = A B for addresses of float32: A (rows, depth) with strides `down`, `right`; B (depth, columns) and C by rows.

    `columns` is rounded up to whole vectors, for which B and C must have room.
    """
    for column in range(0, columns, 2 * WIDTH):
        both, factor = columns - column > WIDTH, b + 4 * column
        row = 0
        while row < rows:
            left, out = a + 4 * row * down, c + 4 * (row * ldc + column)
            if row + ROWS > rows:
                if both:
                    _write_wide_line(left, down, right, factor, ldb, out, ldc, depth)
                else:
                    _write_narrow_line(left, down, right, factor, ldb, out, ldc, depth)
                row += 1
                continue
            if both:
                _write_wide(left, down, right, factor, ldb, out, ldc, depth)
            else:
                _write_narrow(left, down, right, factor, ldb, out, ldc, depth)
            # The last block may overlap the one before it, where it writes the same numbers again.
            row = rows if row + ROWS == rows else min(row + ROWS, rows - ROWS)


@kernel
def add_product(
    a: int, down: int, right: int, b: int, ldb: int, c: int, ldc: int, rows: int, columns: int, depth: int
) -> None:
    """As `multiply`, but C += A B, each number's chain going on from what is there."""
    for column in range(0, columns, 2 * WIDTH):
        both, factor = columns - column > WIDTH, b + 4 * column
        row = 0
        while row < rows:
            left, out = a + 4 * row * down, c + 4 * (row * ldc + column)
            whole = row + ROWS <= rows
            if whole and both:
                _add_wide(left, down, right, factor, ldb, out, ldc, depth)
            elif whole:
                _add_narrow(left, down, right, factor, ldb, out, ldc, depth)
            elif both:
                _add_wide_line(left, down, right, factor, ldb, out, ldc, depth)
            else:
                _add_narrow_line(left, down, right, factor, ldb, out, ldc, depth)
            row += ROWS if whole else 1
