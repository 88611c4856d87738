"""From keys to requests: one for each range of a key, with the server that has it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import Array
from .flight import Flight
from .store.compression import Compressor
from .store.keys import KeyInfo
from .store.requests import Request

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
