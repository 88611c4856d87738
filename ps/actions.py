"""What the scheduler's state machine (membership.py) wants done; scheduler.py does it, in the order given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..common.codec import Message


@dataclass(frozen=True)
class Send:
    """Action: send `message` to the process behind `identity`. It may be lost with a connection."""

    identity: bytes
    message: Message


@dataclass(frozen=True)
class Tell:
    """Action: report an event on the status pipe, with these fields."""

    event: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class End:
    """Action: end the scheduler with this exit code, after writing `text` (if any) to standard error."""

    code: int
    text: str = ""


Action = Send | Tell | End
