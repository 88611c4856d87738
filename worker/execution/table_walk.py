"""A pass of several programs as tables of calls, one for each compute thread, which need no Python between layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ...common.call_table import Row, Table, tables
from ..compute_threads import shared_threads, thread_count
from ..cpu.claims import SharedStages
from ..cpu.row_kernel import Stage
from .guarded_work import guarded


class TableWalk:
    """First each thread's own rows, of which the caller's are the first, then stages whose parts they share out."""

    def __init__(self, rows: Sequence[list[Row]], needs_blas: bool, stages: Sequence[Stage] = ()) -> None:
        """`needs_blas`: whether there are calls in Python, which BLAS may compute."""
        self._rows, self._needs_blas, self._stages = rows, needs_blas, stages
        self._lay_out()

    def _lay_out(self) -> None:
        self._claims = SharedStages(self._stages, len(self._rows), waits=any(self._rows))
        rows = [[*own, *shared] for own, shared in zip(self._rows, self._claims.rows, strict=True)]
        self._tables: list[Table] = tables(rows, thread_count)

    def run(self) -> None:
        """Make all calls; raises the first error of any thread when all have ended."""
        fail = self._claims.fail
        if len(self._tables) == 1 and not self._needs_blas:
            guarded(self._tables[0].run, fail)
            return
        self._claims.begin()
        try:
            shared_threads().walk(self._tables, partial(guarded, release=fail), self._needs_blas)
        except BaseException:  # Ctrl-C, say, before this thread has begun: others may wait for it
            fail()
            self._lay_out()  # they may see that only later, so the next run must not share their claims
            raise
