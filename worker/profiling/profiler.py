"""mx.profiler: where a step's time goes, as a table by operator and as a trace for chrome://tracing or Perfetto.

    with mx.profiler.profile() as profile:
        model.fit(X, y)
    print(profile)                  # operator, calls, time, share, GFLOP/s
    profile.save("trace.json")      # also shows push, wait and pull

or in MXNet's words: set_config(filename="trace.json"), set_state("run"), ..., set_state("stop"), dumps(), dump().
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
    """A row of the table: all calls of one operator in one direction. Seconds are summed over threads."""

    operator: str
    phase: str
    calls: int = 0
    seconds: float = 0.0
    work: float = 0.0

    @property
    def gflops(self) -> float:
        """10^9 floating-point operations a second of one thread; 0 where none are counted."""
        return self.work / self.seconds / 1e9 if self.seconds else 0.0


@dataclass
class Profile:
    """What was recorded."""

    spans: Sequence[Span] = field(default_factory=list)

    def lines(self) -> list[Line]:
        """The rows of the table, those that took longest first."""
        found: dict[tuple[str, str], Line] = {}
        for span in self.spans:
            line = found.setdefault((span.operator, span.phase), Line(span.operator, span.phase))
            line.calls += 1
            line.seconds += span.seconds
            line.work += span.work
        return sorted(found.values(), key=lambda line: -line.seconds)

    def table(self) -> Table:
        """The table, for rich. A share is that of the time that threads computed, pushed or waited."""
        from rich.table import Table

        made = Table("operator", "pass", "calls", "ms", "share", "GFLOP/s")
        for column in made.columns[2:]:
            column.justify = "right"
        total = sum(line.seconds for line in self.lines() if line.phase != "pull") or 1.0
        for line in self.lines():
            share = "" if line.phase == "pull" else f"{line.seconds / total:.1%}"
            gflops = f"{line.gflops:.1f}" if line.work else ""
            made.add_row(line.operator, line.phase, str(line.calls), f"{line.seconds * 1e3:.2f}", share, gflops)
        return made

    def save(self, path: PathLike) -> None:
        """Write the Chrome trace (JSON): a row for each thread, and one for pulls that were under way at once."""
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
    """Record what the block does; `path`: also save the trace there. ParameterError if a profile is recorded already.

    Under `launch` each worker records itself: give each a file of its own, such as f"trace-{mx.rank()}.json".
    """
    found = Profile()
    _start()
    try:
        yield found
    finally:
        found.spans = _stop()
        if path is not None:
            found.save(path)


class _Settings:
    """What set_config said, and the profile that set_state("stop") ended."""

    filename = "profile.json"
    last = Profile()


def set_config(filename: str = "profile.json", **others: Any) -> None:
    """Where `dump` writes. MXNet's switches (profile_all, profile_symbolic, ...) are accepted: all is recorded."""
    unknown = [name for name in others if not name.startswith(("profile_", "aggregate_", "continuous_", "dump_"))]
    if unknown:
        raise ParameterError(f"profiler.set_config: no setting {', '.join(unknown)}", expected="filename, profile_all")
    _Settings.filename = filename


def set_state(state: str = "stop") -> None:
    """Begin to record with "run", end with "stop"."""
    if state not in ("run", "stop"):
        raise ParameterError("profiler.set_state", expected="run or stop", got=repr(state))
    if state == "run":
        _start()
    elif recorder.on:
        _Settings.last = Profile(_stop())


def dumps() -> str:
    """The table of the last profile."""
    return str(_Settings.last)


def dump() -> None:
    """Write the trace of the last profile to the file of set_config, after set_state("stop") if that was not yet."""
    set_state("stop")
    _Settings.last.save(_Settings.filename)


def _start() -> None:
    if recorder.on:
        raise ParameterError("profiler: a profile is being recorded already", remedy="Stop that one first")
    recorder.spans = []
    recorder.on = True


def _stop() -> list[Span]:
    recorder.on = False
    spans, recorder.spans = recorder.spans, []
    return spans


def _named(number: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": "thread_name", "pid": os.getpid(), "tid": number, "args": {"name": name}}


def _events(number: int, span: Span, thread: int) -> list[dict[str, Any]]:
    """A span as Chrome's trace events, in microseconds; pulls, which overlap each other, as pairs of begin and end."""
    name, begin, length = f"{span.phase} {span.name}".strip(), span.start * 1e6, span.seconds * 1e6
    common = {"name": name, "cat": span.operator or span.phase, "pid": os.getpid(), "tid": thread}
    if span.phase != "pull":
        return [{**common, "ph": "X", "ts": begin, "dur": length}]
    pair = {**common, "id": number}
    return [{**pair, "ph": "b", "ts": begin}, {**pair, "ph": "e", "ts": begin + length}]
