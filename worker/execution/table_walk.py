"""A pass as tables of calls, one for each compute thread, which need no Python between layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ...common.call_table import Table, tables
from ..compute_threads import shared_threads, thread_count
from ..cpu.claims import SharedStages, Stretch
from .guarded_work import guarded


class TableWalk:
    """The stretches of a pass in order; of the threads, the caller's is the first."""

    def __init__(self, stretches: Sequence[Stretch], needs_blas: bool) -> None:
        """`needs_blas`: whether there are calls in Python, which BLAS may compute."""
        self._stretches, self._needs_blas = stretches, needs_blas
        self._laid_out: tuple[SharedStages, list[Table]] | None = self._lay_out()

    def _lay_out(self) -> tuple[SharedStages, list[Table]]:
        claims = SharedStages(self._stretches)
        return claims, tables(claims.rows, thread_count)

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
