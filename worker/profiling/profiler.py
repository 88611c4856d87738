"""mx.profiler: where a step's time goes, as a table by operator and as a trace for chrome://tracing or Perfetto.

    with mx.profiler.profile() as profile:
        model.fit(X, y)
    print(profile)                  # operator, calls, time, share, GFLOP/s
    profile.save("trace.json")      # also shows push, wait and pull

or by MXNet's functions: set_config(filename="trace.json"), set_state("run"), ..., set_state("stop"), dumps(), dump().
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...common.errors import ParameterError
from ..atomic_files import PathLike, write_atomically
from .spans import Span, recorder

if TYPE_CHECKING:
    from rich.table import Table


@dataclass
class Line:
    """A row of the table: all calls of one operator in one phase. `seconds` are summed over threads.

    `work` is the number of floating-point operations of all these calls, 0 if they are not counted.
    """

    operator: str
    phase: str
    calls: int = 0
    seconds: float = 0.0
    work: float = 0.0

    @property
    def gflops(self) -> float:
        """10^9 floating-point operations per second of one thread; 0 if none are counted."""
        return self.work / self.seconds / 1e9 if self.seconds else 0.0


@dataclass
class Profile:
    """The spans that were recorded, and ways to show them."""

    spans: Sequence[Span] = field(default_factory=list)

    def lines(self) -> list[Line]:
        """The rows of the table, longest time first."""
        found: dict[tuple[str, str], Line] = {}
        for span in self.spans:
            line = found.setdefault((span.operator, span.phase), Line(span.operator, span.phase))
            line.calls += 1
            line.seconds += span.seconds
            line.work += span.work
        return sorted(found.values(), key=lambda line: -line.seconds)

    def table(self) -> Table:
        """The table, for rich. Shares are of all the time that threads spent computing, pushing or waiting."""
        from rich.table import Table

        # Pulls have no share: they run beside the computation and belong to no thread.
        made = Table("operator", "pass", "calls", "ms", "share", "GFLOP/s")
        for column in made.columns[2:]:
            column.justify = "right"
        total = sum(line.seconds for line in self.lines() if line.phase != "pull") or 1.0  # if none took time
        for line in self.lines():
            share = "" if line.phase == "pull" else f"{line.seconds / total:.1%}"
            gflops = f"{line.gflops:.1f}" if line.work else ""
            made.add_row(line.operator, line.phase, str(line.calls), f"{line.seconds * 1e3:.2f}", share, gflops)
        return made

    def save(self, path: PathLike) -> None:
        """Write a Chrome trace (JSON), whole or not at all, with a row for each thread and rows for overlapping pulls.

        Raises FileFormatError if the folder does not exist.
        """
        threads = {name: number for number, name in enumerate(dict.fromkeys(span.thread for span in self.spans))}
        events = [_named(number, name) for name, number in threads.items()]
        for number, span in enumerate(self.spans):
            events += _events(number, span, threads[span.thread])
        text = json.dumps({"traceEvents": events, "displayTimeUnit": "ms"})
        write_atomically(path, lambda stream: stream.write(text.encode()))

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=110)
        with console.capture() as captured:
            console.print(self.table())
        return captured.get()


@contextmanager
def profile(path: PathLike | None = None) -> Iterator[Profile]:
    """Record what the block does; with `path`, also save the trace there. The Profile is filled when the block ends.

    Under `launch` each worker records itself: give each a file of its own, such as f"trace-{mx.rank()}.json". Raises
    ParameterError if a profile is being recorded already.
    """
    found = Profile()
    _start()
    try:
        yield found
    finally:  # a training that was interrupted is worth looking at, too
        found.spans = _stop()
        if path is not None:
            found.save(path)


class _Settings:
    """What set_config set, and the profile that set_state("stop") ended last."""

    filename = "profile.json"
    last = Profile()


def set_config(filename: str = "profile.json", **others: Any) -> None:
    """Set the file that `dump` writes. MXNet's switches (profile_all, profile_symbolic, ...) have no effect.

    Everything is recorded whatever they say. Raises ParameterError for a setting that MXNet does not have.
    """
    unknown = [name for name in others if not name.startswith(("profile_", "aggregate_", "continuous_", "dump_"))]
    if unknown:
        raise ParameterError(f"profiler.set_config: no setting {', '.join(unknown)}", expected="filename, profile_all")
    _Settings.filename = filename


def set_state(state: str = "stop") -> None:
    """Start recording with "run", stop with "stop"; stopping when nothing is recorded does nothing.

    Raises ParameterError for another state, or for "run" while a profile is being recorded.
    """
    if state not in ("run", "stop"):
        raise ParameterError("profiler.set_state", expected="run or stop", got=repr(state))
    if state == "run":
        _start()
    elif recorder.on:
        _Settings.last = Profile(_stop())


def dumps() -> str:
    """The table of the last profile that was stopped, as text."""
    return str(_Settings.last)


def dump() -> None:
    """Stop recording if that was not done yet, and write the trace of the last profile to the file of set_config.

    Raises FileFormatError if that file's folder does not exist.
    """
    set_state("stop")
    _Settings.last.save(_Settings.filename)


def _start() -> None:
    """Begin with no spans; ParameterError if a profile is being recorded."""
    if recorder.on:
        raise ParameterError("profiler: a profile is being recorded already", remedy="Stop that one first")
    recorder.spans = []
    recorder.on = True  # last: from here on other threads append


def _stop() -> list[Span]:
    """Stop recording; returns the spans."""
    recorder.on = False
    spans, recorder.spans = recorder.spans, []
    return spans


def _named(number: int, name: str) -> dict[str, Any]:
    """The metadata event that gives a thread's row its name."""
    return {"ph": "M", "name": "thread_name", "pid": os.getpid(), "tid": number, "args": {"name": name}}


def _events(number: int, span: Span, thread: int) -> list[dict[str, Any]]:
    """A span as Chrome's trace events, times in microseconds.

    "X" is a complete event; those of one thread must not overlap. Pulls do overlap, so each is an asynchronous pair of
    "b" and "e" with an id of its own.
    """
    name, begin, length = f"{span.phase} {span.name}".strip(), span.start * 1e6, span.seconds * 1e6
    common = {"name": name, "cat": span.operator or span.phase, "pid": os.getpid(), "tid": thread}
    if span.phase != "pull":
        return [{**common, "ph": "X", "ts": begin, "dur": length}]
    pair = {**common, "id": number}  # the span's index, which no other span in the trace has
    return [{**pair, "ph": "b", "ts": begin}, {**pair, "ph": "e", "ts": begin + length}]
