"""What the processes of a job write: it goes to one log file each, and after a prefix to the display.

One thread reads and shows everything. A display that blocks (a pager, a terminal on hold) therefore holds up the output
and with it the processes, but never the supervisor. Other threads hand it work by `_post` and wake it through a pipe;
display, selector and logs belong to it alone until it has ended.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

from .display import Display, PlainDisplay, View
from .lines import PIECE
from .process_log import ProcessLog, Source
from .repeats import Repeats
from .wake import Wake

PAUSE_WAIT = 1.0  # seconds that `pause` waits for a display
# Seconds after the job's end in which pipes are still read: a process that escaped the job may have inherited one, keep
# it open and go on writing.
DRAIN = 2.0


class Output:
    """Reads the pipes of all processes in a thread of its own, which it starts at once."""

    def __init__(self, display: Display, log_dir: Path, separate: bool = False) -> None:
        self._display, self._log_dir, self._separate = display, log_dir, separate
        self._logs: dict[tuple[str, bool], ProcessLog] = {}  # the same log for output and errors, unless `separate`
        self._repeats: dict[str, Repeats] = {}
        self._ended: dict[str, Source] = {}  # outputs that have ended within a line, which may come again
        self._selector = selectors.DefaultSelector()
        self._jobs: deque[Callable[[], None]] = deque()  # in order, from other threads; a deque needs no lock
        self._view: View | None = None  # only the newest: a slow display skips views and keeps up with the lines
        self._closing: float | None = None  # when `close` was called
        self._unfinished: set[Source] = set()  # those with text that has no newline yet
        self._fallen = self._blind = False  # whether plain lines have taken over, and have failed, too
        self._wake = Wake()
        self._selector.register(self._wake.read, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="launch-output", daemon=True)
        self._thread.start()

    @property
    def display(self) -> Display:
        """The display in use, which is another one than at the start if that has failed."""
        return self._display

    @property
    def blocked(self) -> bool:
        """Whether `close` has given up a display that takes nothing."""
        return self._closing is not None and self._thread.is_alive()

    def pause(self) -> None:
        """Leave the terminal to others, until `resume`; waits a moment for it, as the display may be blocked."""
        done = threading.Event()
        self._post(lambda: self._guard(self._display.pause))
        self._post(done.set)
        done.wait(PAUSE_WAIT)

    def resume(self) -> None:
        """Take the terminal back."""
        self._post(lambda: self._guard(self._display.resume))

    def attach(self, name: str, out: IO[bytes], err: IO[bytes]) -> None:
        """Read a process's pipes of output and errors to their ends, then close them.

        A process that has been started again goes on writing where the one before has ended: what it writes a second
        time is neither shown nor logged.
        """
        if (name, True) not in self._logs:
            log = ProcessLog(self.log_path(name))
            out_log = ProcessLog(self._log_dir / f"{name}.out.log") if self._separate else log
            self._logs |= {(name, False): out_log, (name, True): log}
            self._repeats[name] = Repeats()
        for_out, for_err = self._logs[name, False], self._logs[name, True]
        self._post(lambda: self._begin(out, Source(name, False, for_out, self._repeats[name])))
        self._post(lambda: self._begin(err, Source(name, True, for_err)))

    def _begin(self, pipe: IO[bytes], source: Source) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is not None and (key.data.name, key.data.is_error) == (source.name, source.is_error):
                self._read_rest(key)
        if not source.is_error:
            if (before := self._ended.pop(source.name, None)) is not None:
                self._unfinished.discard(before)
            self._repeats[source.name].begin_again()
        self._selector.register(pipe, selectors.EVENT_READ, source)

    def _read_rest(self, key: selectors.SelectorKey) -> None:
        """Read what is left of the process that `key`'s successor replaces; something may still hold its pipe open."""
        os.set_blocking(key.fd, False)
        with contextlib.suppress(BlockingIOError):
            while data := os.read(key.fd, PIECE):
                self._take(key.data, key.data.feed(data, time.monotonic()))
        self._end(key)

    def log_path(self, name: str) -> Path:
        """The log file of a process; that of its errors if there are two."""
        return self._log_dir / f"{name}{'.err' if self._separate else ''}.log"

    def tail(self, name: str, is_error: bool) -> list[str]:
        """The last lines of a process, [] if it was never started. Call it after `close`, when the thread has ended."""
        log = self._logs.get((name, is_error))
        return [] if log is None else log.tail(is_error)

    def say(self, text: str) -> None:
        """Show a line of the launcher, after what was posted before."""
        self._post(lambda: self._guard(lambda: self._display.say(text)))

    def show(self, view: View) -> None:
        """Show the state of the job, unless a newer one comes before it is shown."""
        self._view = view
        self._wake.call()

    def close(self, impatient: Callable[[], bool] = lambda: False) -> None:
        """Show what is still in the pipes, then stop. A blocked display is waited for until `impatient` says so."""
        self._closing = time.monotonic()
        self._wake.call()
        while self._thread.is_alive() and not impatient():
            self._thread.join(0.1)
        if not self._thread.is_alive():  # that of a blocked display is left behind; it is a daemon
            self._wake.close()
        for log in self._logs.values():
            log.close()

    def _post(self, job: Callable[[], None]) -> None:
        self._jobs.append(job)
        self._wake.call()

    def _run(self) -> None:
        while True:
            # Looked at before reading: only if nothing came although `close` had been called is there nothing left.
            closing = self._closing
            read = self._read_once(self._patience() if closing is None else 0)
            self._serve()
            if closing is not None and (not read or time.monotonic() > closing + DRAIN):
                break
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                self._end(key)
        for source in self._ended.values():
            self._take(source, source.finish())
        self._guard(self._display.close)
        self._selector.close()

    def _patience(self) -> float | None:
        if not self._unfinished:
            return None
        return max(0.0, min(source.due for source in self._unfinished) - time.monotonic())

    def _read_once(self, timeout: float | None) -> int:
        """Read once from each pipe that has something, and return how many did."""
        read = 0
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                self._wake.drain()
                continue
            read += 1
            if data := os.read(key.fd, PIECE):
                self._take(key.data, key.data.feed(data, time.monotonic()))
            else:
                self._end(key)
        for source in list(self._unfinished):
            self._take(source, source.overdue(time.monotonic()))
        return read

    def _end(self, key: selectors.SelectorKey) -> None:
        source = key.data
        if source.unfinished and not source.is_error and self._closing is None:
            self._ended[source.name] = source
        else:
            self._take(source, source.finish())
        self._selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr]

    def _take(self, source: Source, lines: list[bytes]) -> None:
        (self._unfinished.discard if source.due == math.inf else self._unfinished.add)(source)
        # They are in the log already: a display that blocks must not cost it.
        log = source.log
        if lines:
            self._guard(lambda: self._display.lines(source.name, source.is_error, lines))
        if log.trouble:
            trouble, log.trouble = log.trouble, ""
            self._guard(lambda: self._display.say(trouble))

    def _serve(self) -> None:
        while self._jobs:
            self._jobs.popleft()()
        view, self._view = self._view, None
        if view is not None:
            self._guard(lambda: self._display.show(view))

    def _guard(self, action: Callable[[], None]) -> None:
        """A display that breaks must neither stop the job nor leave its pipes unread: plain lines take over.

        If they break as well, nothing is shown any more, and the logs have everything.
        """
        if self._blind:
            return
        try:
            action()
        except Exception as error:
            self._fall_back(f"the display failed ({type(error).__name__}: {error}); going on with plain lines")

    def _fall_back(self, what: str) -> None:
        self._blind = self._fallen
        self._fallen = True
        self._guard(lambda: self._plain(what))

    def _plain(self, what: str) -> None:
        self._display = PlainDisplay()
        self._display.say(what)
