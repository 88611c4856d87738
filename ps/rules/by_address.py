"""Updates by one gradient as functions for tables of calls (common/call_table.py), by the names of their rules.

The arguments are the gradient, the weight and the states, each at its address, then the address of the rule's numbers
in double precision, which are rounded already, and how many elements there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.compiled_calls import integer, line, matrix, real
from ...common.jit import kernel
from ..kernels import largest_exponent_32
from .adam import adam as _adam
from .adam import adamw as _adamw
from .momentum import nag as _nag
from .momentum import sgd as _sgd
from .momentum import sgd_momentum as _sgd_momentum


@kernel
def _number(at: int, index: int) -> Any:
    return np.float32(real(at, index))


@kernel
def sgd(at: int) -> int:
    """gradient, weight."""
    n, size, pairs = integer(at, 2), integer(at, 3), np.empty((0, 2), np.int64)
    gradient, weight = matrix(integer(at, 0), 1, size), line(integer(at, 1), size)
    _sgd(gradient, 0, pairs, weight, _number(n, 0), _number(n, 1), _number(n, 2), _number(n, 3))
    return 0


@kernel
def sgd_momentum(at: int) -> int:
    """gradient, weight, mom."""
    n, size, pairs = integer(at, 3), integer(at, 4), np.empty((0, 2), np.int64)
    gradient, weight, mom = matrix(integer(at, 0), 1, size), line(integer(at, 1), size), line(integer(at, 2), size)
    _sgd_momentum(
        gradient, 0, pairs, weight, mom, _number(n, 0), _number(n, 1), _number(n, 2), _number(n, 3), _number(n, 4)
    )
    return 0


@kernel
def nag(at: int) -> int:
    """gradient, weight, mom."""
    n, size, pairs = integer(at, 3), integer(at, 4), np.empty((0, 2), np.int64)
    gradient, weight, mom = matrix(integer(at, 0), 1, size), line(integer(at, 1), size), line(integer(at, 2), size)
    _nag(gradient, 0, pairs, weight, mom, _number(n, 0), _number(n, 1), _number(n, 2), _number(n, 3), _number(n, 4))
    return 0


@kernel
def adam(at: int) -> int:
    """gradient, weight, mean, var."""
    n, size, pairs = integer(at, 4), integer(at, 5), np.empty((0, 2), np.int64)
    gradient, weight = matrix(integer(at, 0), 1, size), line(integer(at, 1), size)
    mean, var = line(integer(at, 2), size), line(integer(at, 3), size)
    _adam(
        gradient, 0, pairs, weight, mean, var, _number(n, 0), _number(n, 1), _number(n, 2), _number(n, 3),
        _number(n, 4), _number(n, 5), _number(n, 6), _number(n, 7), _number(n, 8),
    )  # fmt: skip
    return 0


@kernel
def adamw(at: int) -> int:
    """gradient, weight, mean, var."""
    n, size, pairs = integer(at, 4), integer(at, 5), np.empty((0, 2), np.int64)
    gradient, weight = matrix(integer(at, 0), 1, size), line(integer(at, 1), size)
    mean, var = line(integer(at, 2), size), line(integer(at, 3), size)
    _adamw(
        gradient, 0, pairs, weight, mean, var, _number(n, 0), _number(n, 1), _number(n, 2), _number(n, 3),
        _number(n, 4), _number(n, 5), _number(n, 6), _number(n, 7), _number(n, 8),
    )  # fmt: skip
    return 0


@kernel
def finite(at: int) -> int:
    """Go on unless an element of the array at an address, of so many, is NaN or infinite."""
    largest = largest_exponent_32(line(integer(at, 0), integer(at, 1)).view(np.uint32))
    return 0 if largest < np.uint32(0x7F800000) else 1


BY_RULE = {"sgd": sgd, "sgd_momentum": sgd_momentum, "nag": nag, "adam": adam, "adamw": adamw}
