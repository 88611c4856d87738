"""A pipe that wakes a thread which waits in select, from other threads and from signal handlers."""

from __future__ import annotations

import contextlib
import io
import os


class Wake:
    """Register `read` with a selector. `call` makes it readable, `drain` makes it quiet again.

    `call` after `close` does nothing: a handler or thread that is late must not write into a descriptor that has been
    given to somebody else meanwhile. So the ends are file objects, which know that they are closed.
    """

    def __init__(self) -> None:
        read, write = os.pipe()
        self.read = io.FileIO(read, "rb")
        self._write = io.FileIO(write, "wb")
        os.set_blocking(read, False)
        os.set_blocking(write, False)

    def call(self) -> None:
        """Wake the reader. It takes no lock and does not wait; a full pipe wakes as well."""
        with contextlib.suppress(OSError, ValueError):
            self._write.write(b"!")

    def drain(self) -> None:
        """Forget the calls so far."""
        with contextlib.suppress(OSError):
            self.read.read(4096)

    def close(self) -> None:
        """Close both ends."""
        self._write.close()
        self.read.close()
