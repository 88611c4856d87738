"""What a worker asks its servers: the base classes of all kinds of requests, and calls.

A `Question` goes to a server as a message; a request that is no question is carried out here when its turn has come.
pushes.py and pulls.py have the kinds that move values, key_requests.py makes them for the ranges of a key. Requests
never change: what the outbox notes about one (its turn, whether it is sent) it keeps beside it.

Their fields are Final, which mypy checks, and not frozen: a frozen object of nine fields takes 2.3 us to make instead
of 0.7, and a step makes two for every small key, out of about 25 us (docs/benchmarks.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypedDict

import numpy as np

from ...common.codec import Message
from ...common.messages import Error
from ...common.requests import Ok, Statistics
from ...common.tensor import Tensor
from ...common.wire import Frame
from ..array import Array, same_memory
from .flight import Flight

Range = tuple[int, str, int]  # fit, key, lo
Value = tuple[Tensor, Frame | None, Frame]  # of one range in `Values`: what it is, row ids (None if dense), data


class Sender(TypedDict):
    """Who asks: fields that every message to a server has."""

    job: str
    rank: int
    incarnation: str


@dataclass(eq=False)
class Request(ABC):
    """One thing that is wanted. `flight` counts it until it is done; higher `priority` leaves first."""

    flight: Final[Flight]
    priority: Final[int] = field(default=0, kw_only=True)

    @property
    @abstractmethod
    def range(self) -> Range:
        """What it is about: requests of one range wait for each other."""

    def may_join(self, unanswered: Question) -> bool:
        """Whether it may leave while `unanswered`, of the same range, is."""
        return False

    @abstractmethod
    def begin(self) -> Question | None:
        """Its turn has come: the question to put to the server, or None if it could be done here and has landed."""


class Question(Request):
    """A request that travels as a message, alone or with others, and is answered by one.

    Questions about one range wait for each other, so a server never sees two of a kind at once and an answer is matched
    by range, step and part alone.
    """

    @abstractmethod
    def alike(self) -> Hashable:
        """Questions that are equal in this may share a message."""

    @property
    def nbytes(self) -> int:
        """Bytes of data frames that it sends; the header is not counted."""
        return 0

    @abstractmethod
    def message(self, sender: Sender, together: Sequence[Self]) -> Message:
        """One message that asks all of `together`, which are alike; this is the first of them."""

    @abstractmethod
    def answered_by(self, message: Message) -> bool:
        """Whether `message`, which names the same range, answers this and no other question about it."""

    def accept(self, message: Message, value: Value | None) -> bool:
        """Take what the answer brings; whether that completes it. `value` is this range's, if it brings values."""
        return True

    @abstractmethod
    def concerned_by(self, error: Error) -> bool:
        """Whether `error`, which names a fit, refuses this question. One error may concern several."""

    def begin(self) -> Question:
        """Nothing can be done without the server."""
        return self


@dataclass(eq=False)
class RangeRequest(Request):
    """About one range of a key. `array` is flat and of the key's dtype: what is sent, or where values go."""

    fit: Final[int]
    tensor: Final[Tensor]
    array: Final[Array]

    @property
    def range(self) -> Range:
        """The fit, the key and where in it the range begins."""
        return (self.fit, self.tensor.key, self.tensor.lo)


@dataclass(eq=False)
class RangeQuestion(RangeRequest, Question):
    """A question about one range. `n` is the step, 0 for what is there before the first."""

    n: Final[int] = field(default=0, kw_only=True)

    def concerned_by(self, error: Error) -> bool:
        """Errors name the fit, and as much of key, range and step as the server knew; calls are named by `seq`."""
        return (
            error.seq is None
            and error.fit == self.fit
            and (error.key is None or error.key == self.tensor.key)
            and (error.lo is None or error.lo == self.tensor.lo)
            and (error.n is None or error.n == self.n)
        )


@dataclass(eq=False)
class CallRequest(Question):
    """`asked`, which has a `seq`, is sent as it is, and its answer is put into `answers` under that number."""

    asked: Final[Any]
    answers: Final[dict[int, Message]]

    @property
    def range(self) -> Range:
        """One of its own, which no key can have (fits are counted from 1): calls wait for nothing."""
        return (-1, "", int(self.asked.seq))

    def alike(self) -> Hashable:
        """It travels alone."""
        return self

    def message(self, sender: Sender, together: Sequence[Self]) -> Message:
        """What was given."""
        made: Message = self.asked
        return made

    def answered_by(self, message: Message) -> bool:
        """The range has the number already."""
        return isinstance(message, Ok | Statistics)

    def accept(self, message: Message, value: Value | None) -> bool:
        """Keep the answer for the caller."""
        self.answers[self.asked.seq] = message
        return True

    def concerned_by(self, error: Error) -> bool:
        """Only an error with the same number is its own."""
        return error.seq is not None and error.seq == self.asked.seq


def put(array: Array, place: Array) -> None:
    """Copy flat `array` to `place`, of the same length and dtype, unless it lies there already."""
    if array is not place and not same_memory(array, place):
        np.copyto(place, array)


def memory_of(array: Array) -> Frame:
    """The memory of a flat contiguous array as bytes, without a copy."""
    return array.data.cast("B") if array.size else b""  # a view of no elements cannot be cast
