"""What the service has to say to a worker. `Acked` and `Ready` become messages only when the worker can take them.

They are hashable, so that replies.py can keep each only once however often it is asked for.
"""

from __future__ import annotations

from typing import NamedTuple

from ..common.codec import Message
from .fit import Name


class Acked(NamedTuple):
    """Reply: push n of a range (for n = 0, the first value of its `part`) is in the store."""

    rank: int
    fit: int
    n: int
    part: str
    name: Name


class Ready(NamedTuple):
    """Reply: pull n of a range can be answered. The value is looked up when the answer is sent.

    `rows` are the bytes of the row ids that were asked for (int64, counted from the range's first row), None for all.
    """

    rank: int
    fit: int
    n: int
    part: str
    name: Name
    rows: bytes | None = None


class Say(NamedTuple):
    """Reply: this message, as it is."""

    rank: int
    message: Message


Reply = Acked | Ready | Say
