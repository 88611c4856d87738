"""How often snapshots are taken: what `--snapshot`, PUSHGRAD_SNAPSHOT and fit's `snapshot` may say."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import ParameterError

_INTERVAL = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h|steps?)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LEAST_SECONDS, _SHARE = 10.0, 100  # "auto": at least so long, and a hundred times what a snapshot costs


@dataclass(frozen=True)
class Interval:
    """Between two snapshots: so many `steps`, or so many `seconds`, or neither, and it depends on what they cost."""

    steps: int | None = None
    seconds: float | None = None

    @staticmethod
    def parse(text: str, where: str) -> Interval | None:
        """What "200steps", "30s", "10m", "1h" or "auto" mean; None for "off" and "".

        Raises ParameterError naming `where`.
        """
        text = text.strip()
        if text in ("", "off"):
            return None
        if text == "auto":
            return Interval()
        match = _INTERVAL.fullmatch(text)
        if match is None or not float(match[1]) or (match[2] not in _SECONDS and "." in match[1]):
            raise ParameterError(where, expected="such as 30s, 10m, 1h, 200steps, auto or off", got=repr(text))
        if match[2] in _SECONDS:
            return Interval(seconds=float(match[1]) * _SECONDS[match[2]])
        return Interval(steps=int(match[1]))

    def pause(self, cost: float) -> float:
        """Seconds between two snapshots, where steps do not decide; each costs `cost` of them."""
        return self.seconds if self.seconds is not None else max(_LEAST_SECONDS, _SHARE * cost)
