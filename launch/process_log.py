"""The log file of a process, and what has come through its pipes and is not logged or shown yet."""

from __future__ import annotations

import math
import os
from collections import deque
from pathlib import Path
from typing import IO

from .lines import PIECE, LineBuffer, shown
from .repeats import Repeats

TAIL_LINES = 20  # of output and of errors that are kept for the report
TAIL_WIDTH = 2000  # bytes of a line that are kept for the report
# Seconds after which text without a newline (a progress bar, a prompt) is logged and shown, and shown again. Not at
# once: the end of the line is often in the pipe already, and the other stream's lines must not come between.
LOG_WAIT, SHOW_WAIT, SHOW_AGAIN = 0.1, 1.0, 10.0


class LogFile:
    """A file that is only appended to, private to its user.

    `trouble` says what is wrong if it cannot be written; that never ends a job.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.trouble = path, ""
        self._complained = False
        self._file: IO[bytes] | None = None
        try:
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0)
        except OSError as error:
            self._complain(error)

    def write(self, data: bytes) -> None:
        """Append bytes as they came. If they cannot be written, `trouble` says so, once.

        What comes later is tried again: somebody may make room on the disk.
        """
        rest = memoryview(data)
        try:
            while rest and self._file is not None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            self.trouble = f"the log {self.path} is incomplete: {error.strerror}"

    def close(self) -> None:
        """Close the file; closing it again is harmless."""
        if self._file is not None:
            self._file.close()
            self._file = None


class ProcessLog(LogFile):
    """The log file of one process, and the last lines of its standard output and error."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._tails: tuple[deque[bytes], deque[bytes]] = (deque(maxlen=TAIL_LINES), deque(maxlen=TAIL_LINES))

    def remember(self, is_error: bool, lines: list[bytes]) -> None:
        """Keep the last lines for the report."""
        self._tails[is_error].extend(line[-TAIL_WIDTH:] for line in lines[-TAIL_LINES:])

    def tail(self, is_error: bool) -> list[str]:
        """The last lines of standard error or output, as text without colours."""
        return [shown(line).decode("utf-8", "replace").rstrip() for line in self._tails[is_error]]


class Source:
    """One pipe of one process. What has no newline yet is held back for a moment only, see `due`.

    `repeats` drops what the process writes again after a restart.
    """

    def __init__(self, name: str, is_error: bool, log: ProcessLog, repeats: Repeats | None = None) -> None:
        self.name, self.is_error, self.log, self._buffer = name, is_error, log, LineBuffer()
        self._repeats = repeats
        self._unlogged = b""
        self._log_due = self._show_due = math.inf
        self._next_show = 0.0
        self._shown = b""  # what was shown of the line that is not complete

    @property
    def due(self) -> float:
        """When `overdue` must be called."""
        return min(self._log_due, self._show_due)

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Take what was read, and log what is whole; returns the lines to show."""
        if self._repeats is not None:
            data = self._repeats.feed(data)
        lines = self._lines(self._buffer.feed(data))
        if not self._unlogged and not self._buffer.rest:  # by far the most frequent case: whole lines
            self.log.write(data)
            self._show_due = math.inf
            return lines
        self._unlogged += data
        end = len(self._unlogged) if len(self._unlogged) >= PIECE else self._unlogged.rfind(b"\n") + 1
        self._log(end)
        self._log_due = min(self._log_due, now + LOG_WAIT) if self._unlogged else math.inf
        rest = self._buffer.rest
        self._show_due = min(self._show_due, max(now + SHOW_WAIT, self._next_show)) if rest else math.inf
        if len(data) >= PIECE:  # there is more in the pipe: what has come may end anywhere within a state of the bar
            self._show_due = max(self._show_due, now + LOG_WAIT)
        return lines

    def overdue(self, now: float) -> list[bytes]:
        """Log and show what has been held back for long enough."""
        if now >= self._log_due:
            self._log(len(self._unlogged))
            self._log_due = math.inf
        if now < self._show_due:
            return []
        self._show_due, self._next_show = math.inf, now + SHOW_AGAIN
        text = shown(self._buffer.rest)
        if not text.strip() or text == self._shown:
            return []
        self._shown = text
        return [text + b"\n"]

    @property
    def unfinished(self) -> bool:
        """Whether there is text without a newline."""
        return bool(self._buffer.rest)

    def finish(self) -> list[bytes]:
        """Log the rest, at the end of the pipe; returns the lines to show."""
        lines = self._lines(self._buffer.finish())
        self._unlogged += b"\n" if lines else b""
        self._log(len(self._unlogged))
        self._log_due = self._show_due = math.inf
        return lines

    def _log(self, end: int) -> None:
        if end:
            self.log.write(self._unlogged[:end])
            self._unlogged = self._unlogged[end:]

    def _lines(self, lines: list[bytes]) -> list[bytes]:
        if not lines:
            return lines
        self.log.remember(self.is_error, lines)
        already, self._shown, self._next_show = self._shown, b"", 0.0
        return lines[1:] if already and shown(lines[0]) == already else lines
