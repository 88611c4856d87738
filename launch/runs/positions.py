"""How far workers are behind each other, by what they have said at different times."""

from __future__ import annotations

from bisect import bisect
from collections import deque
from dataclasses import dataclass
from itertools import accumulate
from statistics import median_low

KEPT = 4  # reports of each worker
AGO = 1.5  # periods between reports that the moment of comparison lies back: a report may be late by half a period


@dataclass(frozen=True)
class _Report:
    time: float
    fit: int
    epoch: int
    step: int


class Positions:
    """The last reports of all workers.

    Workers report every now and then, each at its own times. So that this does not look like a lag, they are compared
    at a moment a little ago, for which most have reports before and after it: there a worker's position lies between
    the two. Who has not reported since then stays where it was, so that one that hangs falls behind.
    """

    def __init__(self) -> None:
        self._last: dict[str, deque[_Report]] = {}
        self._lengths: dict[tuple[int, int], int] = {}  # the highest step that was seen, by fit and epoch
        self._offsets: dict[tuple[int, int], int] = {}  # steps before that epoch; empty if they are to be found anew

    def note(self, name: str, time: float, fit: int, epoch: int, step: int) -> None:
        """A worker's report: its fit, its epoch and its step in that epoch, both from 1."""
        self._last.setdefault(name, deque(maxlen=KEPT)).append(_Report(time, fit, epoch, step))
        if step > self._lengths.get((fit, epoch), 0):
            self._lengths[fit, epoch] = step
            if self._offsets and max(self._offsets) != (fit, epoch):
                self._offsets = {}  # later epochs begin later than was known, or a new one has begun

    def lags(self) -> dict[str, int]:
        """By how many steps each worker is behind the first one."""
        if not self._last:
            return {}
        moment = max(reports[-1].time for reports in self._last.values()) - AGO * self._period()
        places = {name: self._place(reports, moment) for name, reports in self._last.items()}
        first = max(places.values())
        return {name: round(first - place) for name, place in places.items()}

    def _period(self) -> float:
        """Seconds between the reports of a worker, typically."""
        spans = ((reports[-1].time - reports[0].time) / max(1, len(reports) - 1) for reports in self._last.values())
        return median_low(list(spans))

    def _place(self, reports: deque[_Report], moment: float) -> float:
        times = [report.time for report in reports]
        index = bisect(times, moment)
        if index in (0, len(reports)):
            return self._steps(reports[max(0, index - 1)])
        before, after = reports[index - 1], reports[index]
        share = (moment - before.time) / (after.time - before.time)
        return self._steps(before) + share * (self._steps(after) - self._steps(before))

    def _steps(self, report: _Report) -> float:
        """Steps since the job began."""
        if not self._offsets:
            places = sorted(self._lengths)
            before = accumulate((self._lengths[place] for place in places[:-1]), initial=0)
            self._offsets = dict(zip(places, before, strict=True))
        return report.step + self._offsets[report.fit, report.epoch]
