"""What a worker asks its servers: one request for each range of a key."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.coding import Coding
from ...common.tensor import Tensor
from ..array import Array
from .compression import Compressor
from .flight import Flight
from .keys import KeyInfo

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


Placed = tuple[int, Request]  # server, request


class KeyRequests:
    """Requests on behalf of one store. Further fields are those of Request."""

    def __init__(self, flight: Flight, fit: int) -> None:
        self._flight, self._fit = flight, fit

    def whole(self, kind: str, info: KeyInfo, array: Array, **fields: Any) -> list[Placed]:
        """`array`, of the key's shape, is what is sent or where values go."""
        slot = info.gradient if kind == "push" else None
        source = info.value if kind == "copy" else None
        placed = []
        for server, here, tensor in info.ranges:
            request = Request(kind, self._flight, self._fit, tensor, array.reshape(-1)[here], **fields)
            if slot is not None:
                request.slot = request.array if array is slot else slot.reshape(-1)[here]
            if source is not None:
                request.source = request.array if array is source else source.reshape(-1)[here]
            placed.append((server, request))
        return placed

    def coded(self, compressor: Compressor, info: KeyInfo, array: Array, **fields: Any) -> list[Placed]:
        """Pushes of `array`, compressed."""
        fields["coding"] = compressor.coding
        codes = compressor.codes(info, array)
        return [
            (server, Request("push", self._flight, self._fit, tensor, code, **fields))
            for (server, _, tensor), code in zip(info.ranges, codes, strict=True)
        ]

    def of_rows(self, kind: str, info: KeyInfo, ids: Array, rows: Array, **fields: Any) -> list[Placed]:
        """Each range gets those of the rows `ids` (in order) that lie in it, and be it none."""
        placed = []
        for server, here, tensor in info.ranges:
            places = np.searchsorted(ids, [here.start // info.width, here.stop // info.width])
            these = slice(*places.tolist())
            tensor = tensor._replace(rows=these.stop - these.start)
            data = rows[these].reshape(-1)
            placed.append((server, Request(kind, self._flight, self._fit, tensor, data, rows=ids[these], **fields)))
        return placed
