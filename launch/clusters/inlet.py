"""Output that has come from another host, on its way into a pipe: to whoever reads that, the process is a local one."""

from __future__ import annotations

import os
import selectors
from typing import IO


class Inlet:
    """A pipe that never blocks its writer: what does not fit is kept, and `selector` wakes up when more does.

    `outlet` is the end to read from, which its reader closes.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        self.outlet: IO[bytes] = os.fdopen(reading, "rb", buffering=0)
        self._writing: int | None = writing
        self._selector, self._watched = selector, False
        self._kept = bytearray()
        self._ending = False

    @property
    def waits(self) -> bool:
        """Whether something is still to be passed on."""
        return bool(self._kept)

    def put(self, data: bytes) -> None:
        """Take data; `push` passes it on."""
        self._kept += data

    def end(self) -> None:
        """Nothing more will come."""
        self._ending = True

    def push(self) -> int:
        """Pass on as much as the pipe takes; returns how many bytes have left."""
        before = len(self._kept)
        try:
            while self._kept and self._writing is not None:
                del self._kept[: os.write(self._writing, self._kept)]
        except BlockingIOError:
            pass
        except OSError:  # its reader has gone
            self._kept.clear()
        self._watch()
        if self._ending and not self._kept:
            self.close()
        return before - len(self._kept)

    def _watch(self) -> None:
        if self._writing is None or bool(self._kept) == self._watched:
            return
        self._watched = not self._watched
        if self._watched:
            self._selector.register(self._writing, selectors.EVENT_WRITE)
        else:
            self._selector.unregister(self._writing)

    def close(self) -> None:
        """Close the pipe; what is kept is dropped."""
        self._kept.clear()
        self._watch()
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None
