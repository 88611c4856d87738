"""What the generations of a job have in common."""

from __future__ import annotations

from dataclasses import dataclass

from .narration import Narration
from .output import Output
from .restarts import Restarts
from .runs.record import Recorder
from .signals import Mailbox
from .spare import Spare


@dataclass(frozen=True)
class Stage:
    """What all generations of a job share. `began` is when the first was started, on the monotonic clock.

    Without `spare` nothing is prepared for the next one.
    """

    output: Output
    narration: Narration
    mailbox: Mailbox
    record: Recorder
    restarts: Restarts
    began: float
    quiet: bool = False
    spare: Spare | None = None
