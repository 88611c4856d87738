"""Lines that a process writes again after a restart are shown once.

A worker says on its standard output where in the training it stands, by the marks of common/output_marks.py. So it is
known for each step with how many lines it had ended, and a process that goes on from a snapshot of it is known to write
the lines from there on. Those that have been shown are dropped, whatever is in them: the time in a line may be another
one. Nothing is dropped of a process that has not come to its first mark, or that writes none: what it does when it is
started again is its own business.
"""

from __future__ import annotations

import bisect

from ..common.output_marks import BEGIN, LONGEST, MARK, Place


class Repeats:
    """The standard output of one process of a job, through all generations: bytes in, and those out that are new."""

    def __init__(self) -> None:
        self._line = 0  # of the job, counted from 0, to which the next byte belongs
        self._shown = 0  # lines that are out
        self._rest = b""  # what may be the beginning of a mark
        self._places: list[Place] = []  # ascending
        self._lines: list[int] = []  # how many lines the job had written up to there

    def begin_again(self) -> None:
        """The process has been started anew: it begins with its first line, as far as it marks its lines at all."""
        self._line, self._rest = (0 if self._places else self._shown), b""

    def feed(self, data: bytes) -> bytes:
        """Take what the process has written; returns what is to be shown of it."""
        data, self._rest = self._rest + data, b""
        if BEGIN[:1] not in data and self._line >= self._shown:
            return self._passed(data)
        tail = data.rfind(BEGIN[:1])
        if tail >= 0 and len(data) - tail < LONGEST and not MARK.match(data, tail) and _may_be_mark(data[tail:]):
            data, self._rest = data[:tail], data[tail:]
        out, end = [], 0
        for match in MARK.finditer(data):
            out.append(self._passed(data[end : match.start()]))
            self._marked(match[1], (int(match[2]), int(match[3])))
            end = match.end()
        return b"".join([*out, self._passed(data[end:])])

    def _passed(self, data: bytes) -> bytes:
        """The part of `data` that has not been shown; it has no marks."""
        start = 0
        while self._line < self._shown and start < len(data):
            end = data.find(b"\n", start)
            if end < 0:
                return b""
            start, self._line = end + 1, self._line + 1
        self._line += data.count(b"\n", start)
        self._shown = max(self._shown, self._line)
        return data[start:]

    def _marked(self, kind: bytes, place: Place) -> None:
        index = bisect.bisect_left(self._places, place)
        if kind == b"from":
            # Without a later mark nothing has been written after that step.
            self._line = self._lines[index] if index < len(self._places) else self._shown
        elif index == len(self._places) or self._places[index] != place:
            self._places.insert(index, place)
            self._lines.insert(index, self._line)


def _may_be_mark(data: bytes) -> bool:
    return data.startswith(BEGIN) or BEGIN.startswith(data)
