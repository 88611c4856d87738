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
        self._laid_out: tuple[SharedStages, list[Table]] | None = self._lay_out()

    def _lay_out(self) -> tuple[SharedStages, list[Table]]:
        claims = SharedStages(self._stages, len(self._rows), waits=any(self._rows))
        rows = [[*own, *shared] for own, shared in zip(self._rows, claims.rows, strict=True)]
        return claims, tables(rows, thread_count)

    def run(self) -> None:
        """Make all calls; raises the first error of any thread when all have ended."""
        claims, walked = laid_out = self._laid_out or self._lay_out()
        claims.begin()
        if len(walked) == 1 and not self._needs_blas:
            guarded(walked[0].run, claims.fail)
            return
        # After an error, or Ctrl-C, threads may see only later that the run has failed: the next one must not share
        # their claims.
        self._laid_out = None
        guard = partial(guarded, release=claims.fail)
        shared_threads().walk(walked, guard, self._needs_blas, claims.fail)
        self._laid_out = laid_out
