"""Work on slices of a long array, by all cores that this process may use.

The work must release the GIL, as compiled kernels do, and must treat elements independently of each other: where the
slices begin depends on the number of cores, and results must not.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

from ..common.cores import available_cores
from ..common.slices import share

WORTH_A_THREAD = 1 << 17  # elements: shorter work is done before another thread has woken up


def in_slices(size: int, work: Callable[[int, int], None]) -> None:
    """Call `work(first, last)` for slices that make up [0, size), at the same time; returns when all are done.

    The calling thread takes the first slice. Raises what `work` raises, when no slice is being worked on any more: the
    caller may then do with the arrays what it likes.
    """
    count = max(1, min(available(), size // WORTH_A_THREAD))
    if count == 1:
        work(0, size)
        return
    others = [_pool().submit(work, *share(size, index, count)) for index in range(1, count)]
    try:
        work(*share(size, 0, count))
    finally:
        wait(others)
    for other in others:
        other.result()


@cache
def available() -> int:
    """The number of threads that work at once, the calling one included."""
    return available_cores()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, available() - 1), "pushgrad-update")  # the calling thread works, too
