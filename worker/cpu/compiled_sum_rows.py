"""The compiled functions of sum_rows.py: importing them imports numba."""

from __future__ import annotations

from ...common.compiled_atomics import add as add_to
from ...common.compiled_calls import integer, line
from ...common.jit import kernel

STRETCH = 1024  # numbers


@kernel
def add(at: int) -> int:
    """total += addend."""
    total, addend = line(integer(at, 0), integer(at, 2)), line(integer(at, 1), integer(at, 2))
    for i in range(total.size):
        total[i] += addend[i]
    return 0


@kernel
def add_pairs(at: int) -> int:
    """total += addend for each pair, stretch by stretch: sums are in the cache when they are added themselves."""
    count, size = integer(at, 0), integer(at, 1)
    for begin in range(0, size, STRETCH):
        length = min(STRETCH, size - begin)
        for k in range(count):
            total = line(integer(at, 2 + 2 * k) + 4 * begin, length)
            addend = line(integer(at, 3 + 2 * k) + 4 * begin, length)
            for i in range(length):
                total[i] += addend[i]
    return 0


@kernel
def countdown(at: int) -> int:
    """Go on if nothing is left of the number, else pass over so many rows."""
    return 0 if add_to(integer(at, 0), -1) == 1 else -integer(at, 1)


@kernel
def switch(at: int) -> int:
    """Stop if the number at an address is not 0."""
    return 1 if integer(integer(at, 0), 0) else 0
