"""The compiled part of desk.py: importing it imports numba."""

from __future__ import annotations

from .compiled_atomics import exchange, exchange_if, look
from .compiled_calls import integer, walk
from .compiled_waiting import pause, wait_a_turn
from .jit import kernel

# What the first of a desk's numbers says of the thread. From HANDED on, it has a table.
AWAY, ATTENDS, HANDED, STOPPED = 0, 1, 2, 3


@kernel
def attend(desk: int, looks: int) -> int:
    """Walk what is handed over, until there has been nothing for so many looks, or the thread is called away.

    Returns the place of the row at which a table has stopped, or else -1.
    """
    left = looks
    while True:
        state = look(desk)
        if state == AWAY:
            return -1
        if state == HANDED:
            rows = integer(desk, 2)
            place = walk(integer(desk, 1), rows, 0)
            if place < rows:
                exchange(desk, STOPPED)
                return place
            exchange(desk, ATTENDS)
            left = looks
        elif left > 0:
            pause()
            left -= 1
        elif exchange_if(desk, ATTENDS, AWAY):
            return -1


@kernel
def turn(desk: int, state: int) -> int:
    """The state in which the thread was; now it is in this one."""
    before: int = exchange(desk, state)
    return before


@kernel
def call_away(desk: int) -> None:
    """Let the thread return if it waits for a table."""
    exchange_if(desk, ATTENDS, AWAY)


@kernel
def wait_for(desk: int, turns: int) -> int:
    """Wait until the thread has no table any more, at most so many turns; whether it has none."""
    taken = 0
    while look(desk) >= HANDED and taken < turns:
        taken += 1
        wait_a_turn(taken)
    return 1 if look(desk) < HANDED else 0
