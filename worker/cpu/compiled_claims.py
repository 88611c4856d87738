"""The compiled functions of claims.py: importing it imports numba."""

from __future__ import annotations

from ...common.compiled_atomics import add, exchange, look
from ...common.compiled_calls import integer
from ...common.compiled_waiting import wait_a_turn
from ...common.jit import kernel


@kernel
def claim(at: int) -> int:
    """Go on if nobody else has claimed a part, else pass over its rows.

    The arguments are the address of a number that is 0 as long as nobody has, and how many rows.
    """
    is_free = look(integer(at, 0)) == 0 and exchange(integer(at, 0), 1) == 0  # to look costs others less
    return 0 if is_free else -integer(at, 1)


@kernel
def finish(at: int) -> int:
    """Say that one part more has been done, to those who look at the number at an address."""
    add(integer(at, 0), 1)
    return 0


@kernel
def wait(at: int) -> int:
    """Go on when all parts have been done; stop if they never will be.

    The arguments are the addresses of how many have been done, and of a number that is not 0 if a thread has failed,
    and how many parts there are.
    """
    done, failed, parts = integer(at, 0), integer(at, 1), integer(at, 2)
    turns = 0
    while look(done) < parts:
        if look(failed) != 0:
            return 1
        turns += 1
        wait_a_turn(turns)
    return 0
