"""Whether a job of which a process has died begins again, and from where it then goes on."""

from __future__ import annotations

import math

from .status_reader import Event

DEFAULT = 3  # restarts of a job that can go on from where it was, if nobody has said how many
GOOD_RUN = 3600.0  # seconds without a death after which all restarts are there again


class Restarts:
    """The restarts of one job. `generation` counts how often its processes have been started.

    `asked` is --max-restarts. A number holds for every script: one without snapshots begins at its beginning. Without
    one, None, a job can restart as soon as its workers have said that they can go on from where they are, and as long
    as they do not say that they cannot. With `possible` false it never does.
    """

    def __init__(self, asked: int | None, possible: bool = True) -> None:
        self._insisting = bool(asked)
        self.most = (DEFAULT if asked is None else asked) if possible else 0
        self.generation = 1
        self.obstacle = ""
        self._used = 0
        self._last = -math.inf
        self._place: Event = {}

    def told(self, event: Event) -> bool:
        """Take what a worker has said of going on; returns whether it is news that a death now ends the job."""
        obstacle = str(event.get("obstacle") or "")
        fresh = obstacle not in ("", self.obstacle)
        self.obstacle = obstacle
        if not obstacle:
            self._place = event
        return fresh and self.most > 0 and not self._insisting

    def left(self, now: float) -> int:
        """How many restarts are left."""
        return self.most if now - self._last >= GOOD_RUN else self.most - self._used

    def possible(self, now: float) -> bool:
        """Whether a death would begin a new generation."""
        return self.left(now) > 0 and (self._insisting or bool(self._place and not self.obstacle))

    def take(self, now: float) -> bool:
        """Begin a new generation after a death, if that is possible."""
        if not self.possible(now):
            return False
        self._used, self._last = self.most - self.left(now) + 1, now
        self.generation += 1
        return True

    @property
    def place(self) -> dict[str, int]:
        """From where the job goes on: `fit`, `epoch`, `batch` and `step`; {} if that is its beginning."""
        found = {name: self._place.get(name) for name in ("fit", "epoch", "batch", "step")}
        whole = {name: value for name, value in found.items() if isinstance(value, int)}
        return whole if whole.get("step") or whole.get("fit", 1) > 1 else {}

    @property
    def where(self) -> str:
        """The same in words."""
        place = self.place
        if not place:
            return "from its beginning, as there is no snapshot yet"
        if not place.get("step"):
            return f"from the beginning of fit {place['fit']}"
        if not place.get("epoch"):
            return f"from step {place['step']} of its loop over mx.kv"
        return f"from step {place['step']} of fit {place['fit']} (epoch {place['epoch']}, batch {place['batch']})"
