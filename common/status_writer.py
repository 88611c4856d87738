"""What the scheduler tells its launcher: JSON lines on a pipe."""

from __future__ import annotations

import json
import os
from typing import Any


class StatusWriter:
    """Writes events to file descriptor `fd`; without one, or when nobody reads any more, it writes nothing."""

    def __init__(self, fd: int | None) -> None:
        self.fd = fd
        if fd is not None:
            os.set_inheritable(fd, False)

    def tell(self, event: str, **fields: Any) -> None:
        """Write one line, whole: {"event": ..., fields}."""
        if self.fd is None:
            return
        line = memoryview(json.dumps({"event": event, **fields}).encode() + b"\n")
        try:
            while line:
                line = line[os.write(self.fd, line) :]
        except OSError:
            self.fd = None
