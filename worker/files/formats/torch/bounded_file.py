"""A file object for readers that believe the lengths in a file, such as zipfile and pickletools."""

from __future__ import annotations

import os
from typing import IO


class BoundedFile:
    """A binary file opened for reading. Whatever length it is asked for, it allocates no more than what is left.

    Its methods are those of a file object that zipfile and pickletools use. `size` is in bytes.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.size = stream.seek(0, os.SEEK_END)
        stream.seek(0)

    def read(self, count: int = -1) -> bytes:
        """The next `count` bytes, or as many as are left; all of them if `count` is negative."""
        # io.BufferedReader.read(n) allocates n bytes first, so a length of 2**40 in a file would exhaust the memory.
        left = max(self.size - self.stream.tell(), 0)
        return self.stream.read(left if count < 0 else min(count, left))

    def readline(self) -> bytes:
        """The rest of the current line."""
        return self.stream.readline()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a byte offset, counted as io.IOBase.seek does; returns the new position."""
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        """The current position in bytes."""
        return self.stream.tell()

    def seekable(self) -> bool:
        """Always True; zipfile asks."""
        return True
