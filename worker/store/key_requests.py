"""Requests on behalf of one store: which ones a key needs, one for each of its ranges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...common.tensor import Tensor
from ..array import Array
from .compression import Compressor
from .flight import Flight
from .keys import First, KeyInfo
from .pulls import CopyRequest, PullRequest
from .pushes import DataPush, Delivery, InitRequest, SharedPush
from .requests import RangeRequest

Placed = tuple[int, RangeRequest]  # server, request


class KeyRequests:
    """Makes requests that `flight` counts, for keys of the store whose ordinal is `fit`.

    Every method takes a key and gives (server, request) pairs, in order of the ranges. Arrays are contiguous, of the
    key's dtype and, where nothing else is said, shape; they are not copied.
    """

    def __init__(self, flight: Flight, fit: int) -> None:
        self._flight, self._fit = flight, fit

    def counted_by(self, flight: Flight | None) -> KeyRequests:
        """The same for requests that `flight` counts; itself if that is None."""
        return self if flight is None else KeyRequests(flight, self._fit)

    def init(self, first: First, blank: bool) -> list[Placed]:
        """The key with its first values; `blank`: without them."""
        info, value, lr_mult, wd_mult = first
        return self._first(info, value, lr_mult=lr_mult, wd_mult=wd_mult, blank=blank)

    def give(self, info: KeyInfo, part: str, value: Array) -> list[Placed]:
        """First values of a state of the key's optimizer; of `part` "weight", others in place of the key's first."""
        return self._first(info, value, part=part, restores=part == "weight")

    def _first(self, info: KeyInfo, value: Array, **fields: Any) -> list[Placed]:
        flat = value.reshape(-1)
        return [
            (server, InitRequest(self._flight, self._fit, tensor, flat[here], **fields))
            for server, here, tensor in info.ranges
        ]

    def push(self, info: KeyInfo, gradient: Array, n: int, lr: float, priority: int) -> list[Placed]:
        """The gradient of step `n`: through shared memory if the key is there, else in messages."""
        flat = gradient.reshape(-1)
        if info.gradient is not None:
            return self._shared(info, flat, gradient is info.gradient, n, lr, priority)
        return [
            (server, DataPush(self._flight, self._fit, tensor, flat[here], n=n, lr=lr, priority=priority))
            for server, here, tensor in info.ranges
        ]

    def _shared(self, info: KeyInfo, flat: Array, there: bool, n: int, lr: float, priority: int) -> list[Placed]:
        """`there`: the gradient has been made where the server reads it."""
        assert info.gradient is not None
        slot = info.gradient.reshape(-1)
        placed: list[Placed] = []
        for server, here, tensor in info.ranges:
            place = slot[here]
            delivery = Delivery(place, None if there else flat[here])
            request = SharedPush(
                self._flight, self._fit, tensor, place, n=n, lr=lr, priority=priority, delivery=delivery
            )
            placed.append((server, request))
        return placed

    def push_coded(
        self, compressor: Compressor, info: KeyInfo, gradient: Array, n: int, lr: float, priority: int
    ) -> list[Placed]:
        """The gradient, float32, of step `n`, compressed: in messages even if the key is in shared memory.

        Raises ParameterError if the key has another dtype, DataError if a value is too large for the coding.
        """
        fields: dict[str, Any] = {"n": n, "lr": lr, "priority": priority}
        return [
            (server, DataPush(self._flight, self._fit, tensor, code, coding=compressor.coding, **fields))
            for (server, _, tensor), code in zip(info.ranges, compressor.codes(info, gradient), strict=True)
        ]

    def push_rows(self, info: KeyInfo, ids: Array, rows: Array, n: int, lr: float, priority: int) -> list[Placed]:
        """Gradients `rows` (k, width) of the rows `ids` (k,), int64 and increasing; every range gets its own, or none.

        A range without rows needs its push all the same: the step is complete when all workers have pushed.
        """
        return [
            (server, DataPush(self._flight, self._fit, tensor, data, rows=its, n=n, lr=lr, priority=priority))
            for server, tensor, its, data in _by_range(info, ids, rows)
        ]

    def pull(self, info: KeyInfo, out: Array, part: str, priority: int, asked: float | None = None) -> list[Placed]:
        """The value after the key's last push, or the state `part`, to be written to `out`."""
        if part == "weight" and info.value is not None:  # states of the optimizer never lie in shared memory
            return self._copy(info, info.value, out, priority, asked)
        flat = out.reshape(-1)
        fields: dict[str, Any] = {"n": info.n, "priority": priority}
        return [
            (server, PullRequest(self._flight, self._fit, tensor, flat[here], part=part, asked=asked, **fields))
            for server, here, tensor in info.ranges
        ]

    def _copy(self, info: KeyInfo, value: Array, out: Array, priority: int, asked: float | None) -> list[Placed]:
        flat, source = out.reshape(-1), value.reshape(-1)
        placed: list[Placed] = []
        for server, here, tensor in info.ranges:
            place = flat[here]
            found = place if out is value else source[here]  # `put` sees at once that one object is one place
            request = CopyRequest(self._flight, self._fit, tensor, place, source=found, asked=asked, priority=priority)
            placed.append((server, request))
        return placed

    def pull_rows(self, info: KeyInfo, ids: Array, out: Array, priority: int) -> list[Placed]:
        """The rows `ids` (k,), int64 and increasing, to be written to `out` (k, width).

        Ranges in which none of them lie are not asked.
        """
        return [
            (server, PullRequest(self._flight, self._fit, tensor, data, rows=its, n=info.n, priority=priority))
            for server, tensor, its, data in _by_range(info, ids, out)
            if its.size
        ]


def _by_range(info: KeyInfo, ids: Array, rows: Array) -> Iterator[tuple[int, Tensor, Array, Array]]:
    """Of each range: the server, what messages say of it, those of `ids` that lie in it, and their `rows`, flat."""
    for server, here, tensor in info.ranges:
        # Ranges of row-sparse keys are cut between rows, so both divisions are exact.
        first, last = np.searchsorted(ids, [here.start // info.width, here.stop // info.width]).tolist()
        yield server, tensor._replace(rows=last - first), ids[first:last], rows[first:last].reshape(-1)
