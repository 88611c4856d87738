"""Where a thread that is awake gets tables of calls from another one, and no interpreter is needed between the two.

What Python hands over waits until the other thread has the interpreter's lock and the system has woken it: often longer
than a small network's table takes.
"""

from __future__ import annotations

import numpy as np

from .call_table import Table

AWAKE = 400e-6  # seconds that the clerk waits; between two steps of a small network there are 100 to 200 of Python
_TURNS = 1400  # of waiting in a row, some ten milliseconds: between them, Python may be interrupted


class Desk:
    """Of one thread, the clerk, which calls `attend` and `went_on`; only one other thread at a time calls the rest."""

    def __init__(self) -> None:
        from . import compiled_desk  # imports numba, which takes a while
        from .compiled_watch import looks_per_second

        self._compiled, self._looks = compiled_desk, int(AWAKE * looks_per_second())
        self._numbers = np.zeros(3, np.int64)  # the state, and the table: its address, and how many rows it has
        self._address = self._numbers.ctypes.data

    def hand(self, table: Table) -> bool:
        """Have a table walked; False if the clerk is away, and has to be told to attend.

        Before the next one, `wait` until that is done.
        """
        self._numbers[1:] = table.calls
        before: int = self._compiled.turn(self._address, self._compiled.HANDED)
        return before == self._compiled.ATTENDS

    def attend(self) -> int | None:
        """Walk tables until there has been none for a moment.

        Where a table stops, the place of its row is returned: the clerk has to go on from there, then call `went_on`,
        and attend again. None if the clerk is away now.
        """
        place: int = self._compiled.attend(self._address, self._looks)
        return None if place < 0 else place

    def went_on(self) -> None:
        """A table that had stopped has come to its end."""
        self._compiled.turn(self._address, self._compiled.ATTENDS)

    def wait(self) -> None:
        """Return when the table has come to its end."""
        while not self._compiled.wait_for(self._address, _TURNS):
            pass

    def call_away(self) -> None:
        """Let the clerk return from `attend` soon."""
        self._compiled.call_away(self._address)
