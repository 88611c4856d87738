"""What changes in the course of a run, for plots: a bounded number of points, however long the run is."""

from __future__ import annotations

from collections.abc import Sequence

VALIDATION = "validation"  # what is of no process, but of the data that all of them are evaluated with
MOST = 600  # points of a curve: more of them cannot be told apart on a screen


class Curve:
    """Values of one process over the seconds since the run began."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []
        self._last: tuple[float, float] | None = None
        self._every = 1  # of the values, so many make a point
        self._seen = 0

    def add(self, seconds: float, value: float) -> None:
        """Take a value; when there are too many points, every other one goes."""
        self._last = (seconds, value)
        if self._seen % self._every == 0:
            self._points.append(self._last)
        self._seen += 1
        if len(self._points) > MOST:
            del self._points[1::2]
            self._every *= 2

    @property
    def points(self) -> list[tuple[float, float]]:
        """Evenly spread points of seconds and values, and the last value."""
        return self._points if self._last is None or self._points[-1] is self._last else [*self._points, self._last]


class Plots:
    """Curves by title and process; those of the titles `last` come after the others."""

    def __init__(self, last: Sequence[str] = ()) -> None:
        self._last = last
        self._curves: dict[str, dict[str, Curve]] = {}

    def add(self, title: str, name: str, seconds: float, value: float) -> None:
        """Take a value of process `name`."""
        self._curves.setdefault(title, {}).setdefault(name, Curve()).add(seconds, value)

    def shown(self, most: int) -> dict[str, dict[str, list[tuple[float, float]]]]:
        """The points by title and process, of the first `most` processes in each plot, and of VALIDATION."""
        titles = sorted(self._curves, key=lambda title: self._last.index(title) if title in self._last else -1)
        return {title: {name: curve.points for name, curve in _first(self._curves[title], most)} for title in titles}


def _first(curves: dict[str, Curve], most: int) -> list[tuple[str, Curve]]:
    names = sorted(curves.keys() - {VALIDATION}, key=lambda name: (len(name), name))[:most]  # w2 before w10
    return [(name, curves[name]) for name in [VALIDATION, *names] if name in curves]
