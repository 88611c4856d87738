"""What the scheduler tells the launcher: one JSON object per line, on a pipe. common/status_writer.py writes them."""

from __future__ import annotations

import json
import os
from typing import Any

Event = dict[str, Any]

LINE_LIMIT = 1 << 18  # bytes of an unfinished line that are kept, and read at once: traffic names all workers


class StatusReader:
    """The status pipe and its read end. Lines that make no sense are dropped: they must not stop a training.

    `write_fd` is for the scheduler to inherit. What a scheduler on another host says comes by `feed` instead.
    """

    def __init__(self) -> None:
        self.fd, self.write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        self._rest = b""
        self._fed: list[Event] = []
        self.open = True

    def close_write_end(self) -> None:
        """Close the launcher's copy once the scheduler has inherited it, so that the pipe ends with the scheduler."""
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def close(self) -> None:
        """Close both ends."""
        self.close_write_end()
        os.close(self.fd)
        self.open = False

    def read(self) -> list[Event]:
        """All events that have arrived since the last call; `open` is False once the pipe has ended."""
        while self.open:
            try:
                data = os.read(self.fd, LINE_LIMIT)
            except BlockingIOError:
                break
            self.open = bool(data)
            self.feed(data)
        events, self._fed = self._fed, []
        return events

    def feed(self, data: bytes) -> None:
        """Take bytes that the scheduler has written."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-LINE_LIMIT:]  # a line without an end must not take more and more memory
        self._fed += [event for line in lines if (event := parse_event(line)) is not None]


def parse_event(line: bytes) -> Event | None:
    """The event in a line; None if the line is not a JSON object with a text under `event`."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None
