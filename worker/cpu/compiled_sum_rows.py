"""The compiled functions of sum_rows.py: importing them imports numba."""

from __future__ import annotations

from ...common.compiled_calls import count_down, integer, line
from ...common.jit import kernel


@kernel
def add(at: int) -> int:
    """total += addend."""
    total, addend = line(integer(at, 0), integer(at, 2)), line(integer(at, 1), integer(at, 2))
    for i in range(total.size):
        total[i] += addend[i]
    return 0


@kernel
def countdown(at: int) -> int:
    """Go on if nothing is left of the number, else pass over so many rows."""
    return 0 if count_down(integer(at, 0)) == 0 else -integer(at, 1)


@kernel
def switch(at: int) -> int:
    """Stop if the number at an address is not 0."""
    return 1 if integer(integer(at, 0), 0) else 0
