"""Writes the marks of common/output_marks.py, which tell `launch` between which steps lines are written.

Only when standard output is `launch`'s own pipe, which its inode shows: in a file or another program's input they would
be in the way. A mark is written just before the first line after a step, so that steps without lines cost nothing.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

from ..common.output_marks import Place, mark

_writers: dict[int, _Marked] = {}  # by the id of the stream, which they keep alive


def begin(fit: int, step: int) -> None:
    """As `at`, and marked at once: `launch` must know of a process that it marks its lines."""
    if (stream := _marked()) is not None:
        stream.place = (fit, step)
        stream.write("")


def at(fit: int, step: int) -> None:
    """What has been written belongs to steps up to this one of that fit, counted from 1, and what follows does not."""
    if (stream := _marked()) is not None:
        stream.place = (fit, step)


def go_on_from(fit: int, step: int) -> None:
    """What follows was written after that step when the job was there before."""
    if (stream := _marked()) is not None:
        stream.go_on((fit, step))


class _Marked:
    """Takes the place of a stream's `write`."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.place: Place | None = None  # still to be marked
        self._write = self.stream.write
        self._at_start = True  # of a line
        self.stream.write = self.write  # type: ignore[method-assign]

    def write(self, text: str) -> int:
        """Write text, after a mark if one is due: not within a line."""
        if self.place is not None and self._at_start:
            place, self.place = self.place, None
            self._write(mark("at", place))
        written = self._write(text)
        self._at_start = text.endswith("\n") if text else self._at_start
        return written

    def go_on(self, place: Place) -> None:
        """Mark where the lines that follow belong."""
        self.place = place  # `launch` may not have met it: nothing need have been written after that step
        self._write(mark("from", place))
        self.stream.flush()


def _marked() -> _Marked | None:
    """The present standard output with its marks; None if it is not `launch`'s pipe."""
    stream = sys.stdout
    if stream is None:
        return None
    if id(stream) not in _writers and _leads_to_launch(stream):
        _writers[id(stream)] = _Marked(stream)
    return _writers.get(id(stream))


def _leads_to_launch(stream: TextIO) -> bool:
    with suppress(OSError, ValueError, AttributeError):  # not a file, such as a stream of pytest's or a notebook's
        return str(os.fstat(stream.fileno()).st_ino) == os.environ.get("PUSHGRAD_OUTPUT")
    return False
