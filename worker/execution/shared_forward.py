"""Forward of a batch that is not cut, on several threads: they share out the work of each call instead of its rows."""

from __future__ import annotations

from functools import partial

from ...common.call_table import Row, tables
from ..compute_threads import shared_threads
from ..cpu.meeting_point import MeetingPoint
from .program import Program
from .slice_threads import guarded

# Operations below which one thread is faster: as many as a step has, of forward and backward, that is worth another.
LEAST_WORK = 1e7


class SharedForward:
    """`count` threads, each with a table of its parts of a program's calls; the caller's thread is the first.

    What cannot be split is done by the first thread. Each number is made by one thread, in the same way as by `forward`
    of the program.
    """

    def __init__(self, program: Program, count: int) -> None:
        self._point = MeetingPoint(count)
        rows: list[list[Row]] = [[] for _ in range(count)]
        shared_before = False
        self.is_shared = False  # whether there is anything to do for other threads than the first
        for stage in program.stages_of_forward(count):
            is_shared = len(stage) > 1
            # What the first thread does after its own work needs no meeting.
            if rows[0] and (is_shared or shared_before):
                for own in rows:
                    own.append(self._point.row())
            for own, part in zip(rows, stage, strict=False):
                own.extend(part)
            shared_before, self.is_shared = is_shared, self.is_shared or is_shared
        self._tables = tables(rows, count)
        self._needs_blas = program.compiled < 1

    @classmethod
    def of(cls, program: Program, work: float, threads: int) -> SharedForward | None:
        """For a program of so many operations; None if one thread had better compute it."""
        made = cls(program, threads) if threads > 1 and work >= LEAST_WORK else None
        return made if made and made.is_shared else None

    def run(self) -> None:
        """Compute every output; raises the first error of any thread when all have ended."""
        self._point.begin()
        release = self._point.release
        try:
            tasks = [partial(guarded, table.run, release) for table in self._tables]
            shared_threads().run(tasks, blas=self._needs_blas)
        except BaseException:  # Ctrl-C, say, before this thread has begun: others wait for it
            release()
            raise
