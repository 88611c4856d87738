"""What the scheduler's state machine wants done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..common.codec import Message


@dataclass(frozen=True)
class Send:
    """Action: send `message` to the process behind `identity`."""

    identity: bytes
    message: Message


@dataclass(frozen=True)
class Tell:
    """Action: one event for the status pipe."""

    event: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class End:
    """Action: the scheduler ends with this exit code, after saying `text` (if any) on standard error."""

    code: int
    text: str = ""


Action = Send | Tell | End
