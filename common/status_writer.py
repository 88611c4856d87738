"""What the scheduler tells its launcher: JSON lines on a pipe. launch/status_reader.py reads them.

It never waits for the launcher, which may be stopped (Ctrl-Z) or slow: a scheduler that stands still loses its job.
"""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any

PASSING = ("progress", "traffic", "waiting")  # events of which only the newest counts; they are not kept for each other
KEPT = 100_000  # unsent lines; lasting events are a few per process, so that this is never reached in a sound job


class StatusWriter:
    """Writes events to file descriptor `fd`. Without one, or once the reader has gone, it writes nothing.

    What the pipe has no room for waits here and follows with later events, or by `flush`.
    """

    def __init__(self, fd: int | None) -> None:
        self.fd = fd
        self._begun = b""  # the rest of a line whose beginning is in the pipe already
        self._waiting: dict[tuple[object, ...], bytes] = {}  # in order; a newer passing event replaces the older
        self._count = 0
        if fd is not None:
            # A child that inherited it would keep the pipe open after the scheduler's end.
            os.set_inheritable(fd, False)
            os.set_blocking(fd, False)

    def tell(self, event: str, **fields: Any) -> None:
        """Send one line: {"event": ..., fields}. Never blocks; errors end the reporting."""
        if self.fd is None:
            return
        line = json.dumps({"event": event, **fields}).encode() + b"\n"
        self._count += 1
        key = (event, fields.get("role"), fields.get("rank")) if event in PASSING else (self._count,)
        self._waiting.pop(key, None)  # the newer one takes its place at the end, after what has happened in between
        if len(self._waiting) < KEPT:
            self._waiting[key] = line
        self.flush()

    def flush(self) -> None:
        """Write as much of what waits as the pipe takes now."""
        try:
            while self.fd is not None and (self._begun or self._waiting):
                if not self._begun:
                    self._begun = self._waiting.pop(next(iter(self._waiting)))
                self._begun = self._begun[os.write(self.fd, self._begun) :]
        except BlockingIOError:
            pass
        except OSError:  # the launcher has gone: nobody is left to report to, and the job itself does not need it
            self.fd = None

    def finish(self, seconds: float) -> None:
        """Give the reader `seconds` to take what is left: the last events say how the job has ended."""
        end = time.monotonic() + seconds
        self.flush()
        while self.fd is not None and (self._begun or self._waiting) and (left := end - time.monotonic()) > 0:
            select.select([], [self.fd], [], left)
            self.flush()
