"""Requests that bring values to a server: first values, and the gradients of a step."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from ...common.codec import Message
from ...common.coding import Coding
from ...common.requests import Ack, Init, Push
from ..array import Array
from .requests import RangeQuestion, Sender, memory_of, put


@dataclass(eq=False, kw_only=True)
class InitRequest(RangeQuestion):
    """First values: of the key itself (`part` "weight") or of a state of its optimizer, by the state's name.

    `restores`: in place of those that the key has been given already. `blank`: they come later.
    """

    part: Final[str] = "weight"
    lr_mult: Final[float] = 1.0
    wd_mult: Final[float] = 1.0
    restores: Final[bool] = False
    blank: Final[bool] = False

    @property
    def nbytes(self) -> int:
        """Those of the values."""
        return 0 if self.blank else self.array.nbytes

    def alike(self) -> Hashable:
        """A message has one part, one pair of multipliers, and restores, is blank, or neither."""
        return (InitRequest, self.fit, self.part, self.lr_mult, self.wd_mult, self.restores, self.blank)

    def message(self, sender: Sender, together: Sequence[Self]) -> Message:
        """An `init` with a data frame for each range."""
        return Init(
            **sender,
            fit=self.fit,
            part=self.part,
            lr_mult=self.lr_mult,
            wd_mult=self.wd_mult,
            restores=self.restores or None,
            blank=self.blank or None,
            tensors=tuple(item.tensor for item in together),
            frames=() if self.blank else tuple(memory_of(item.array) for item in together),
        )

    def answered_by(self, message: Message) -> bool:
        """An `ack` of step 0 and the same part."""
        return isinstance(message, Ack) and message.n == 0 and message.part == self.part


@dataclass(eq=False, kw_only=True)
class PushRequest(RangeQuestion):
    """The gradient of step `n`, from 1, whose learning rate is `lr`."""

    lr: Final[float] = 0.0

    def answered_by(self, message: Message) -> bool:
        """The `ack` of the step."""
        return isinstance(message, Ack) and message.n == self.n and message.part == "weight"


@dataclass(eq=False, kw_only=True)
class DataPush(PushRequest):
    """A push whose gradient travels in the message.

    With a `coding`, `array` is the code (uint8). With `rows`, ids (int64, increasing, counted over the whole key),
    `array` holds only those rows.
    """

    rows: Final[Array | None] = None
    coding: Final[Coding | None] = None

    @property
    def nbytes(self) -> int:
        """Those of the gradient and of the row ids."""
        return self.array.nbytes + (0 if self.rows is None else self.rows.nbytes)

    def alike(self) -> Hashable:
        """A message has one step and one coding."""
        return (DataPush, self.fit, self.n, self.lr, self.coding)

    def message(self, sender: Sender, together: Sequence[Self]) -> Message:
        """A `push` with a data frame for each range, after the one of its row ids if it has them."""
        sent = (array for item in together for array in (item.rows, item.array) if array is not None)
        return Push(
            **sender,
            fit=self.fit,
            n=self.n,
            lr=self.lr,
            coding=self.coding,
            tensors=tuple(item.tensor for item in together),
            frames=tuple(memory_of(array) for array in sent),
        )


@dataclass(slots=True)
class Delivery:
    """Copies a gradient from `source` to `place`, where the server reads it, once.

    Both are flat and of one dtype and length. `source` is None when nothing is left to do. This is the only part of a
    request that changes.
    """

    place: Array
    source: Array | None

    def finish(self) -> None:
        """Copy, unless that is done already."""
        # Never a second time: when a push is said again after a lost connection, the server may have had the first one
        # and be summing up in `place`.
        if self.source is not None:
            put(self.source, self.place)
            self.source = None


@dataclass(eq=False, kw_only=True)
class SharedPush(PushRequest):
    """A push whose gradient the server reads in shared memory: only the header travels. `array` is that memory."""

    delivery: Final[Delivery]

    def alike(self) -> Hashable:
        """A message has one step."""
        return (SharedPush, self.fit, self.n, self.lr)

    def message(self, sender: Sender, together: Sequence[Self]) -> Message:
        """A `push` without data frames; the gradients are in their places when it is made."""
        for item in together:  # not earlier: until the push before this one is acknowledged, its gradient lies there
            item.delivery.finish()
        tensors = tuple(item.tensor for item in together)
        return Push(**sender, fit=self.fit, n=self.n, lr=self.lr, shared=True, tensors=tensors)
