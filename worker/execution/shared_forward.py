"""Forward of a batch that is not cut, on several threads: they share out the work of each call instead of its rows."""

from __future__ import annotations

from ..compute_threads import thread_count
from ..cpu.claims import Stretch, joined
from .program import Program
from .program_rows import stages_of_forward
from .table_walk import TableWalk

# Operations below which one thread is faster: as many as a step has, of forward and backward, that is worth another.
LEAST_WORK = 1e7
MOST_THREADS = 8  # each has a table of all threads' parts, and parts of one picture are soon too small to be worth it


def shared_forward(program: Program, work: float, threads: int | None) -> TableWalk | None:
    """Forward of a program of so many operations, on at most so many threads, by default all; None if one had better
    compute it.

    Each number is made by one thread, in the same way as by `forward` of the program.
    """
    if work < LEAST_WORK:
        return None
    count = min(threads or thread_count(), MOST_THREADS)
    if count < 2:
        return None
    stages = joined(stages_of_forward(program, count))
    if all(len(stage) == 1 for stage in stages):
        return None
    return TableWalk([Stretch([[] for _ in range(count)], stages)], program.compiled < 1)
