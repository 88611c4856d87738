"""What took how long: spans of time that the executor and the key-value store note while a profile is recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Seconds of one thread's clock. `work` is the floating-point operations of a node's pass, 0 if not counted.

    `phase` is forward or backward for a node of the graph, else what was done: push, pull or wait. A span of phase
    "pull" begins when a weight was asked for and belongs to no thread.
    """

    name: str
    operator: str
    phase: str
    start: float
    seconds: float
    thread: str
    work: float = 0.0


class Recorder:
    """Collects spans from all threads while `on`; costs one look at `on` otherwise."""

    def __init__(self) -> None:
        self.on = False
        self.spans: list[Span] = []

    def now(self) -> float:
        """Seconds of a clock that only goes forward."""
        return time.perf_counter()

    def note(self, name: str, operator: str, phase: str, start: float, work: float = 0.0) -> None:
        """A span from `start` until now, on this thread."""
        thread = threading.current_thread().name
        self.spans.append(Span(name, operator, phase, start, self.now() - start, thread, work))

    @contextmanager
    def span(self, phase: str, name: str = "") -> Iterator[None]:
        """Note what the block takes, while `on`."""
        start = self.now() if self.on else None
        yield
        if start is not None and self.on:
            self.note(name, "", phase, start)


recorder = Recorder()  # the process's
