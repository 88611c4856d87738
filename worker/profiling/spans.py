"""Spans of time that the executor and the key-value store record while profiling is on.

This is the recording end, which the rooms above can import without cost; profiler.py shows what was recorded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """What one thread did from `start` for `seconds`, both in seconds of Recorder.now.

    `phase` is forward or backward for a node of the graph, else what was done: arrange, update, push, pull or wait. One
    of phase "pull" begins when a weight was asked for and belongs to no thread. `work` is the number of floating-point
    operations of a node's pass, 0 if they are not counted.
    """

    name: str
    operator: str
    phase: str
    start: float
    seconds: float
    thread: str
    work: float = 0.0


class Recorder:
    """Collects spans from all threads while `on` is true; while it is false, callers only test `on`.

    There is no lock: appending to a list is atomic in CPython, and callers test `on` before they take the time.
    """

    def __init__(self) -> None:
        self.on = False
        self.spans: list[Span] = []

    def now(self) -> float:
        """The time in seconds on a clock that never goes back; only differences mean something."""
        return time.perf_counter()

    def note(self, name: str, operator: str, phase: str, start: float, work: float = 0.0) -> None:
        """Record a span of the calling thread from `start`, a time of `now`, until now; `work` counts operations."""
        thread = threading.current_thread().name
        self.spans.append(Span(name, operator, phase, start, self.now() - start, thread, work))

    @contextmanager
    def span(self, phase: str, name: str = "") -> Iterator[None]:
        """Record the time that the block takes, if `on`."""
        start = self.now() if self.on else None
        yield  # no try: a block that raises is not recorded
        # Tested again: the profile may have been stopped meanwhile, and its spans handed over.
        if start is not None and self.on:
            self.note(name, "", phase, start)


recorder = Recorder()  # the one of this process, which everything in it uses
