"""How far a training is, below a cell of a notebook: one output that changes."""

from __future__ import annotations

import secrets
from typing import Any

from ...common.cell import shell
from .pace import Pace
from .progress_bar import BAR, TrainingBar


class CellBar(TrainingBar):
    """Shown by the notebook itself, so that lines which are printed meanwhile stay. Its last state stays as well."""

    PERIOD = 0.25  # each drawing is a message to the browser

    def __init__(self, pace: Pace) -> None:
        super().__init__(pace)
        self._publish: Any = shell().display_pub.publish
        self._id, self._drawn = secrets.token_hex(8), False

    def close(self) -> None:
        """Leave it as it is."""

    def refresh(self) -> None:
        """Show the line in place of the one before."""
        parts = {name: text if name != "bar" else self._bar() for name, text in self.texts().items()}
        about = {"display_id": self._id}
        self._publish(data={"text/plain": " ".join(parts.values())}, metadata={}, transient=about, update=self._drawn)
        self._drawn = True

    def _bar(self) -> str:
        done = BAR * self.pace.count // self.pace.steps if self.pace.steps else 0
        return "━" * done + "╌" * (BAR - done)
