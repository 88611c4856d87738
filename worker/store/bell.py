"""Wakes a thread that polls."""

from __future__ import annotations

import os
from contextlib import suppress


class Bell:
    """Any thread rings; the one that polls `fd` for reading hushes it and then looks at what there is to do."""

    def __init__(self) -> None:
        self.fd, self._cord = os.pipe()  # a pipe, as a poller takes it beside ZeroMQ's sockets
        os.set_blocking(self._cord, False)
        os.set_blocking(self.fd, False)
        self._rung = False

    def ring(self) -> None:
        """Wake the thread, unless it is about to look anyway."""
        if not self._rung:  # without a lock: at worst two threads write a byte each
            self._rung = True
            with suppress(BlockingIOError):  # a full pipe wakes as well
                os.write(self._cord, b"w")

    def hush(self) -> None:
        """Take note of the ringing. What is done before anybody's `ring` is seen by whoever looks after this."""
        with suppress(BlockingIOError):
            os.read(self.fd, 4096)
        self._rung = False  # after the read
