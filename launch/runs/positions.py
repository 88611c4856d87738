"""How far workers are behind each other, by what they have said at different times."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class _Report:
    time: float
    fit: int
    epoch: int
    step: int


class Positions:
    """The last reports of all workers.

    Workers report every now and then, each at its own times. So that this does not look like a lag, each position is
    carried on to the time of the newest report by the worker's own speed, though not for longer than a report was due:
    one that hangs falls behind.
    """

    def __init__(self) -> None:
        self._last: dict[str, deque[_Report]] = {}
        self._lengths: dict[tuple[int, int], int] = {}  # the highest step that was seen, by fit and epoch
        self._offsets: dict[tuple[int, int], int] = {}  # steps before that epoch; empty if they are to be found anew

    def note(self, name: str, time: float, fit: int, epoch: int, step: int) -> None:
        """A worker's report: its fit, its epoch and its step in that epoch, both from 1."""
        self._last.setdefault(name, deque(maxlen=2)).append(_Report(time, fit, epoch, step))
        if step > self._lengths.get((fit, epoch), 0):
            self._lengths[fit, epoch] = step
            if self._offsets and max(self._offsets) != (fit, epoch):
                self._offsets = {}  # later epochs begin later than was known, or a new one has begun

    def lags(self) -> dict[str, int]:
        """By how many steps each worker is behind the first one."""
        if not self._last:
            return {}
        now = max(reports[-1].time for reports in self._last.values())
        places = {name: self._place(reports, now) for name, reports in self._last.items()}
        first = max(places.values())
        return {name: round(first - place) for name, place in places.items()}

    def _place(self, reports: deque[_Report], now: float) -> float:
        before, last = reports[0], reports[-1]
        passed = last.time - before.time
        if passed <= 0:
            return self._steps(last)
        speed = (self._steps(last) - self._steps(before)) / passed
        return self._steps(last) + speed * min(now - last.time, passed)

    def _steps(self, report: _Report) -> float:
        """Steps since the job began."""
        if not self._offsets:
            places = sorted(self._lengths)
            before = accumulate((self._lengths[place] for place in places[:-1]), initial=0)
            self._offsets = dict(zip(places, before, strict=True))
        return report.step + self._offsets[report.fit, report.epoch]
