"""One thing that a worker asks a server."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from ...common.coding import Coding
from ...common.tensor import Tensor
from ..array import Array
from ..flight import Flight

Range = tuple[int, str, int]  # fit, key, lo


@dataclass(eq=False)
class Request:
    """One range to be initialised, pushed or pulled. `array` is flat: the source, or where values go.

    With a `coding`, `array` is the code. Of row-sparse keys, `rows` are the ids of the rows that `array` holds, counted
    over the whole key. Of keys in shared memory, a push has the `slot` in which the server reads it, and in place of a
    pull there is a "copy" from where the server has written. `flight` is told when it is done. For kind "call",
    `message` is sent as it is and answered by its seq.
    """

    kind: str
    flight: Flight
    fit: int = 0
    tensor: Tensor | None = None
    array: Array | None = None
    coding: Coding | None = None
    slot: Array | None = None
    source: Array | None = None
    rows: Array | None = None
    n: int = 0
    part: str = "weight"
    lr: float = 0.0
    lr_mult: float = 1.0
    wd_mult: float = 1.0
    priority: int = 0
    message: Any = None
    answer: Any = None
    order: int = 0
    sent: bool = False
    asked: float | None = None  # when, for profiles

    @property
    def range(self) -> Range:
        """Which range it is about; calls are about none that exists."""
        if self.tensor is None:
            return (-1, "", int(self.message.seq))
        return (self.fit, self.tensor.key, self.tensor.lo)

    def alike(self) -> Hashable:
        """Requests that are equal in this may share a message."""
        if self.kind == "call":
            return self
        return (
            self.kind,
            self.fit,
            self.n,
            self.part,
            self.lr,
            self.lr_mult,
            self.wd_mult,
            self.slot is None,
            self.coding,
        )

    @property
    def nbytes(self) -> int:
        """Bytes of data that it sends."""
        ids = 0 if self.rows is None else self.rows.nbytes
        return ids if self.kind == "pull" or self.slot is not None or self.array is None else ids + self.array.nbytes

    def __lt__(self, other: Request) -> bool:
        return (-self.priority, self.order) < (-other.priority, other.order)
