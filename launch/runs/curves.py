"""What changes in the course of a run, for a plot: a bounded number of points, however long the run is."""

from __future__ import annotations

from .files import Record

MOST = 600  # points of a curve: more of them cannot be told apart on a screen


class Curve:
    """One worker's points: seconds since the run began, samples per second, and the metrics by name."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float, Record]] = []
        self._every = 1  # of the reports, so many make a point
        self._seen = 0
        self.last: tuple[float, float, Record] | None = None

    def add(self, seconds: float, speed: float, metrics: Record) -> None:
        """Take a report; when there are too many points, every other one goes."""
        self.last = (seconds, speed, metrics)
        if self._seen % self._every == 0:
            self.points.append(self.last)
        self._seen += 1
        if len(self.points) > MOST:
            del self.points[1::2]
            self._every *= 2

    def shown(self) -> list[tuple[float, float, Record]]:
        """The points, with the last report always among them."""
        return self.points if self.last is None or self.points[-1] is self.last else [*self.points, self.last]
