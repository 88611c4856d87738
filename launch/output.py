"""What the processes of a job write: it goes to one log file each, and after a prefix to the display.

One thread reads and shows everything. A display that blocks (a pager, a terminal on hold) therefore holds up the output
and with it the processes, but never the supervisor. Other threads hand it work by `_post` and wake it through a pipe;
display, selector and logs belong to it alone until it has ended.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

from .display import Display, PlainDisplay, View
from .lines import ESCAPE, PIECE, LineBuffer

TAIL_LINES = 20  # of output and of errors that are kept for the report
TAIL_WIDTH = 2000  # bytes of a line that are kept for the report
# Seconds after the job's end in which pipes are still read: a process that escaped the job may have inherited one, keep
# it open and go on writing.
DRAIN = 2.0


class ProcessLog:
    """The log file of one process, and the last lines of its standard output and error.

    `trouble` says what is wrong if the file cannot be written; that never ends a job.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.trouble = path, ""
        self._file: IO[bytes] | None = None
        self._tails: tuple[deque[bytes], deque[bytes]] = (deque(maxlen=TAIL_LINES), deque(maxlen=TAIL_LINES))

        try:
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0)
        except OSError as error:
            self._complain(error)

    def write(self, is_error: bool, lines: list[bytes]) -> None:
        """Append lines as they came. If they cannot be written, `trouble` says so and the file is closed."""
        self._tails[is_error].extend(line[-TAIL_WIDTH:] for line in lines[-TAIL_LINES:])
        rest = memoryview(b"".join(lines))
        try:
            while rest and self._file is not None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.close()
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        self.trouble = f"the log {self.path} is incomplete: {error.strerror}"

    def tail(self, is_error: bool) -> list[str]:
        """The last lines of standard error or output, as text without colours."""
        return [ESCAPE.sub(b"", line).decode("utf-8", "replace").rstrip() for line in self._tails[is_error]]

    def close(self) -> None:
        """Close the file; closing it again is harmless."""
        if self._file is not None:
            self._file.close()
            self._file = None


class _Source:
    """One pipe of one process."""

    def __init__(self, name: str, is_error: bool, log: ProcessLog) -> None:
        self.name, self.is_error, self.log, self.buffer = name, is_error, log, LineBuffer()


class Output:
    """Reads the pipes of all processes in a thread of its own, which it starts at once."""

    def __init__(self, display: Display, log_dir: Path, separate: bool = False) -> None:
        self._display, self._log_dir, self._separate = display, log_dir, separate
        self._logs: dict[tuple[str, bool], ProcessLog] = {}  # the same log for output and errors, unless `separate`
        self._selector = selectors.DefaultSelector()
        self._jobs: deque[Callable[[], None]] = deque()  # in order, from other threads; a deque needs no lock
        self._view: View | None = None  # only the newest: a slow display skips views and keeps up with the lines
        self._closing: float | None = None  # when `close` was called
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="launch-output", daemon=True)
        self._thread.start()

    def attach(self, name: str, out: IO[bytes], err: IO[bytes]) -> None:
        """Read a process's pipes of output and errors to their ends, then close them."""
        for_err = ProcessLog(self.log_path(name))
        for_out = ProcessLog(self._log_dir / f"{name}.out.log") if self._separate else for_err
        self._logs |= {(name, False): for_out, (name, True): for_err}
        self._post(lambda: self._register(out, _Source(name, False, for_out)))
        self._post(lambda: self._register(err, _Source(name, True, for_err)))

    def _register(self, pipe: IO[bytes], source: _Source) -> None:
        self._selector.register(pipe, selectors.EVENT_READ, source)

    def log_path(self, name: str) -> Path:
        """The log file of a process; that of its errors if there are two."""
        return self._log_dir / f"{name}{'.err' if self._separate else ''}.log"

    def tail(self, name: str, is_error: bool) -> list[str]:
        """The last lines of a process, [] if it was never started. Call it after `close`, when the thread has ended."""
        log = self._logs.get((name, is_error))
        return [] if log is None else log.tail(is_error)

    def say(self, text: str) -> None:
        """Show a line of the launcher, after what was posted before."""
        self._post(lambda: self._display.say(text))

    def show(self, view: View) -> None:
        """Show the state of the job, unless a newer one comes before it is shown."""
        self._view = view
        self._wake()

    def close(self, impatient: Callable[[], bool] = lambda: False) -> None:
        """Show what is still in the pipes, then stop. A blocked display is waited for until `impatient` says so."""
        self._closing = time.monotonic()
        self._wake()
        while self._thread.is_alive() and not impatient():
            self._thread.join(0.1)
        # The thread of a blocked display is left behind (it is a daemon), and may wake up and use the pipe.
        if not self._thread.is_alive():
            os.close(self._wake_write)
        for log in self._logs.values():
            log.close()

    def _post(self, job: Callable[[], None]) -> None:
        self._jobs.append(job)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: enough wake-up calls are under way
            os.write(self._wake_write, b"!")

    def _run(self) -> None:
        while True:
            # Looked at before reading: only if nothing came although `close` had been called is there nothing left.
            closing = self._closing
            read = self._read_once(None if closing is None else 0)
            self._guard(self._serve)
            if closing is not None and (not read or time.monotonic() > closing + DRAIN):
                break
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                self._end(key)
        self._guard(self._display.close)
        self._selector.close()
        os.close(self._wake_read)

    def _read_once(self, timeout: float | None) -> int:
        """Read once from each pipe that has something, and return how many did."""
        read = 0
        for key, _ in self._selector.select(timeout):
            data = os.read(key.fd, PIECE)
            if key.data is None:
                continue
            read += 1
            if data:
                self._take(key.data, key.data.buffer.feed(data))
            else:
                self._end(key)
        return read

    def _end(self, key: selectors.SelectorKey) -> None:
        self._take(key.data, key.data.buffer.finish())
        self._selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr]

    def _take(self, source: _Source, lines: list[bytes]) -> None:
        if not lines:
            return
        log = source.log
        log.write(source.is_error, lines)  # before showing them: a display that blocks must not cost the log
        self._guard(lambda: self._display.lines(source.name, source.is_error, lines))
        if log.trouble:
            trouble, log.trouble = log.trouble, ""
            self._guard(lambda: self._display.say(trouble))

    def _serve(self) -> None:
        while self._jobs:
            self._jobs.popleft()()
        view, self._view = self._view, None
        if view is not None:
            self._display.show(view)

    def _guard(self, action: Callable[[], None]) -> None:
        """A display that breaks must neither stop the job nor leave its pipes unread: plain lines take over."""
        try:
            action()
        except Exception as error:
            self._display = PlainDisplay()
            self._display.say(f"the display failed ({type(error).__name__}: {error}); going on with plain lines")
