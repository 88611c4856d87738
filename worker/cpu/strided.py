"""Reading, writing and adding to every n-th number of a line.

LLVM vectorises a stride that is a constant, so the usual strides have loops of their own.
"""

from __future__ import annotations

from ...common.jit import kernel
from ..array import Array


@kernel
def read_strided(line: Array, place: Array, stride: int) -> None:
    """place[i] = line[stride * i], for the whole of `place`; both flat."""
    if stride == 1:
        for x in range(place.size):
            place[x] = line[x]
    elif stride == 2:
        for x in range(place.size):
            place[x] = line[2 * x]
    elif stride == 4:
        for x in range(place.size):
            place[x] = line[4 * x]
    else:
        for x in range(place.size):
            place[x] = line[stride * x]


@kernel
def write_strided(line: Array, place: Array, stride: int) -> None:
    """place[stride * i] = line[i], for the whole of `line`; both flat."""
    if stride == 1:
        for x in range(line.size):
            place[x] = line[x]
    elif stride == 2:
        for x in range(line.size):
            place[2 * x] = line[x]
    elif stride == 4:
        for x in range(line.size):
            place[4 * x] = line[x]
    else:
        for x in range(line.size):
            place[stride * x] = line[x]
