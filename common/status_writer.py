"""What the scheduler tells its launcher: JSON lines on a pipe. launch/status_reader.py reads them."""

from __future__ import annotations

import json
import os
from typing import Any


class StatusWriter:
    """Writes events to file descriptor `fd`. Without one, or once the reader has gone, it writes nothing."""

    def __init__(self, fd: int | None) -> None:
        self.fd = fd
        if fd is not None:
            # A child that inherited it would keep the pipe open after the scheduler's end.
            os.set_inheritable(fd, False)

    def tell(self, event: str, **fields: Any) -> None:
        """Write one whole line: {"event": ..., fields}. Blocks while the pipe is full; errors end the reporting."""
        if self.fd is None:
            return
        line = memoryview(json.dumps({"event": event, **fields}).encode() + b"\n")
        try:
            while line:
                line = line[os.write(self.fd, line) :]
        except OSError:  # the launcher has gone: nobody is left to report to, and the job itself does not need it
            self.fd = None
