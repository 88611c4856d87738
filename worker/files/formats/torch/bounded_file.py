"""Reading files whose numbers may lie."""

from __future__ import annotations

import os
from typing import IO


class BoundedFile:
    """A binary file opened for reading that never allocates for more than is left of it, whatever it is asked for."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.size = stream.seek(0, os.SEEK_END)
        stream.seek(0)

    def read(self, count: int = -1) -> bytes:
        """The next `count` bytes, or all that are left."""
        left = max(self.size - self.stream.tell(), 0)
        return self.stream.read(left if count < 0 else min(count, left))

    def readline(self) -> bytes:
        """The rest of the line."""
        return self.stream.readline()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another place."""
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self.stream.tell()

    def seekable(self) -> bool:
        """Yes."""
        return True
