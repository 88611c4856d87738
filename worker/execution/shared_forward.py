"""Forward of a batch that is not cut, on several threads: they share out the work of each call instead of its rows."""

from __future__ import annotations

from functools import partial

from ...common.call_table import tables
from ..compute_threads import shared_threads
from ..cpu.claims import SharedStages, joined
from .guarded_work import guarded
from .program import Program

# Operations below which one thread is faster: as many as a step has, of forward and backward, that is worth another.
LEAST_WORK = 1e7
MOST_THREADS = 8  # each has a table of all threads' parts, and parts of one picture are soon too small to be worth it


class SharedForward:
    """`count` threads, each with a table of all parts of a program's calls; the caller's thread is the first.

    Each number is made by one thread, in the same way as by `forward` of the program.
    """

    def __init__(self, program: Program, count: int) -> None:
        self._program, self._count = program, count
        self._needs_blas = program.compiled < 1
        self._lay_out()

    @classmethod
    def of(cls, program: Program, work: float, threads: int) -> SharedForward | None:
        """For a program of so many operations; None if one thread had better compute it."""
        made = cls(program, min(threads, MOST_THREADS)) if threads > 1 and work >= LEAST_WORK else None
        return made if made and made._is_shared else None

    def _lay_out(self) -> None:
        stages = joined(self._program.stages_of_forward(self._count))
        self._is_shared = any(len(stage) > 1 for stage in stages)
        self._stages = SharedStages(stages, self._count)
        self._tables = tables(self._stages.rows, self._count)

    def run(self) -> None:
        """Compute every output; raises the first error of any thread when all have ended."""
        self._stages.begin()
        fail = self._stages.fail
        try:
            tasks = [partial(guarded, table.run, fail) for table in self._tables]
            shared_threads().run(tasks, blas=self._needs_blas)
        except BaseException:  # Ctrl-C, say, before this thread has begun: others may wait for its parts
            fail()
            self._lay_out()  # they may see that only later, so the next run must not share their claims
            raise
