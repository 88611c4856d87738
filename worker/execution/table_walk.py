"""A pass of several programs as tables of calls, one for each compute thread, which need no Python between layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ...common.call_table import Row, tables
from ..compute_threads import shared_threads, thread_count
from .guarded_work import guarded


class TableWalk:
    """`rows` are those of each thread, of which the caller's is the first; no row waits for another thread's."""

    def __init__(self, rows: Sequence[list[Row]], needs_blas: bool) -> None:
        """`needs_blas`: whether there are calls in Python, which BLAS may compute."""
        self._tables, self._needs_blas = tables(rows, thread_count()), needs_blas

    def run(self) -> None:
        """Make all calls; raises the first error of any thread when all have ended."""
        if len(self._tables) == 1 and not self._needs_blas:
            guarded(self._tables[0].run, _nobody_waits)
            return
        tasks: list[Callable[[], None]] = [partial(guarded, table.run, _nobody_waits) for table in self._tables]
        shared_threads().run(tasks, blas=self._needs_blas, awake=True)


def _nobody_waits() -> None:
    pass
