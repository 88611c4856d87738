"""What the service has to say to a worker. `Acked` and `Ready` become messages only when the worker can take them."""

from __future__ import annotations

from typing import NamedTuple

from ..common.codec import Message
from .fit import Name


class Acked(NamedTuple):
    """Reply: push n (0: the first value of `part`) of a range is in the store."""

    rank: int
    fit: int
    n: int
    part: str
    name: Name


class Ready(NamedTuple):
    """Reply: pull n of a range can be answered."""

    rank: int
    fit: int
    n: int
    part: str
    name: Name


class Say(NamedTuple):
    """Reply: a message as it is."""

    rank: int
    message: Message


Reply = Acked | Ready | Say
