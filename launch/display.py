"""Showing a job: writers that survive a closed or blocked stream, and a display of plain prefixed lines.

Displays are used from the output thread (output.py); only the final report comes from the runner, when it has ended.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

from ..common.clock import clock
from .lines import shown
from .state import Member

PROGRESS_PERIOD = 10.0  # seconds between two progress lines where there is no terminal


@dataclass(frozen=True)
class Row:
    """One process in the progress view. Epochs count from 1; `speed` is in samples per second.

    `lag` is by how many steps it is behind the first worker; `received` and `sent` are in bytes per second. There are
    `epochs` in all, with `steps` in this one, and the last ends in `seconds_left` seconds. What is not known is None.
    """

    name: str
    state: str
    epoch: int | None = None
    step: int | None = None
    speed: float | None = None
    metric: str = ""
    lag: int | None = None
    epochs: int | None = None
    steps: int | None = None
    seconds_left: float | None = None
    received: float | None = None
    sent: float | None = None

    @staticmethod
    def of(member: Member) -> Row:
        """A row from the last progress event of a process; fields of a wrong type count as absent."""
        said = member.progress
        epoch, step, epochs, steps = (_whole(said.get(name)) for name in ("epoch", "step", "epochs", "steps"))
        speed, left = (_number(said.get(name)) for name in ("samples_per_second", "seconds_left"))
        return Row(
            name=member.spec.name,
            state=member.state,
            epoch=epoch,
            step=step,
            speed=speed,
            metric=str(said.get("metric") or ""),
            epochs=epochs or None,
            steps=steps or None,
            seconds_left=left or None,
        )

    @property
    def share(self) -> float | None:
        """How much of the training is done, from 0 to 1; None if that is not known."""
        if self.epoch is None or self.epochs is None or self.step is None:
            return None
        if self.steps is None:
            return None if self.epoch < 2 else min(1.0, (self.epoch - 1) / self.epochs)
        return min(1.0, (self.epoch - 1 + self.step / self.steps) / self.epochs)


@dataclass(frozen=True)
class View:
    """The state of a job at one moment. `seconds` is its age; `waiting` says what it waits for, if anything."""

    rows: Sequence[Row]
    seconds: float
    waiting: str = ""


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


class Writer(Protocol):
    """Where bytes go."""

    def write(self, data: bytes) -> None:
        """Write all of `data`. A stream that has gone away swallows it: the job goes on, and its logs are complete."""
        ...


class Display(Protocol):
    """Where the output of a job is shown."""

    def lines(self, name: str, is_error: bool, lines: Sequence[bytes]) -> None:
        """Show lines that process `name` wrote to its standard output or error, as bytes with their newlines."""
        ...

    def say(self, text: str) -> None:
        """Show a line of the launcher itself."""
        ...

    def show(self, view: View) -> None:
        """Show how far the job has come."""
        ...

    def pause(self) -> None:
        """Leave the terminal to others for a while, until `resume`."""
        ...

    def resume(self) -> None:
        """Take the terminal back."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class FileWriter:
    """Writes to a file descriptor, even to one that has been made non-blocking.

    The flag belongs to the open file, not to us: another process on the same terminal may have set it. `trouble` says
    why the stream was given up, unless its reader has gone, which is no news to whoever has sent it away.
    """

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd
        self.trouble = ""

    def write(self, data: bytes) -> None:
        """Write all of `data`, waiting if need be; give the stream up at the first error."""
        rest = memoryview(data)
        while rest and self._fd is not None:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                select.select([], [self._fd], [])
            except OSError as error:
                self._fd = None
                if error.errno != errno.EPIPE:  # the reader has gone (`launch ... | head`)
                    self.trouble = error.strerror or type(error).__name__


class TextWriter:
    """Writes to a text stream without a file beneath it, such as those of notebooks and tests."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Write all of `data`; bytes that are not UTF-8 become replacement characters."""
        self._stream.write(data.decode("utf-8", "replace"))
        self._stream.flush()


class NullWriter:
    """For a stream that was closed before the program began."""

    def write(self, data: bytes) -> None:
        """Discard `data`."""


def writer(stream: TextIO | None) -> Writer:
    """A writer for sys.stdout or sys.stderr, whatever has been put there."""
    if stream is None:
        return NullWriter()
    try:  # only a real text file's: a notebook's stream has a fileno that leads to another place
        fd = stream.fileno() if isinstance(stream, io.TextIOWrapper) else None
    except OSError:
        fd = None
    stream.flush()  # what has been written through the stream must come before what goes to the descriptor
    return TextWriter(stream) if fd is None else FileWriter(fd)


class PlainDisplay:
    """Shows lines with prefixes: standard output on standard output, errors on standard error."""

    def __init__(self, out: Writer | None = None, err: Writer | None = None) -> None:
        self._out = writer(sys.stdout) if out is None else out
        self._err = writer(sys.stderr) if err is None else err
        self._next_progress = time.monotonic() + PROGRESS_PERIOD

    def lines(self, name: str, is_error: bool, lines: Sequence[bytes]) -> None:
        """Write each line after the prefix `name | `."""
        prefix = name.encode() + b" | "
        # In one piece, so that writes of other programs to the same stream do not end up within a line.
        (self._err if is_error else self._out).write(b"".join(prefix + shown(line) + b"\n" for line in lines))
        if trouble := complaint(self._out, self._err):
            self._err.write(f"launch | {trouble}\n".encode())
            self._out.write(f"launch | {trouble}\n".encode())

    def say(self, text: str) -> None:
        """Write a line of the launcher to standard error."""
        self.lines("launch", True, [line.encode("utf-8", "replace") for line in text.splitlines()])

    def show(self, view: View) -> None:
        """Every PROGRESS_PERIOD seconds, write a line about the first worker that reports progress."""
        row = next((row for row in view.rows if row.epoch is not None), None)
        if row is not None and time.monotonic() >= self._next_progress:
            self._next_progress = time.monotonic() + PROGRESS_PERIOD
            self.say(progress_line(row, view.seconds))

    def pause(self) -> None:
        """Do nothing: lines are whole."""

    def resume(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: there is nothing to restore."""


def complaint(out: Writer | None, err: Writer | None) -> str:
    """What is to be said about streams that have just been given up; "" in most cases."""
    for name, stream in (("output", out), ("error", err)):
        if isinstance(stream, FileWriter) and stream.trouble:
            trouble, stream.trouble = stream.trouble, ""
            return f"standard {name} is given up: {trouble}; the job goes on, and its logs have everything"
    return ""


def of(total: int | None) -> str:
    """`/10` behind a number of which there are ten; nothing if the total is not known."""
    return "" if total is None else f"/{total}"


def progress_line(row: Row, seconds: float) -> str:
    """A line such as `42 s: w0 epoch 3/9, step 120/600, 531 samples/s, accuracy=0.9, 1:05 left`.

    `seconds` is the job's age.
    """
    parts = [f"epoch {row.epoch}{of(row.epochs)}"]
    if row.step is not None:
        parts.append(f"step {row.step}{of(row.steps)}")
    if row.speed is not None:
        parts.append(f"{row.speed:.0f} samples/s")
    if row.metric:
        parts.append(row.metric)
    if row.seconds_left is not None:
        parts.append(f"{clock(row.seconds_left)} left")
    return f"{seconds:.0f} s: {row.name} {', '.join(parts)}"
