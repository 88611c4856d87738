"""Which server holds which part of which key. Every worker computes the same answer from shapes and order alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..common.slices import share
from ..common.wire import RANGE_ELEMENTS

BIG_ARRAY = 1_000_000  # elements: MXNET_KVSTORE_BIGARRAY_BOUND's default


@dataclass(frozen=True)
class Part:
    """Elements [lo, hi) of a key live on `server`."""

    server: int
    lo: int
    hi: int


class Assignment:
    """Deals keys to `servers` in the order in which they are given, each whole key to the least loaded server.

    Keys of more than `bound` elements are split evenly over all servers. No part has more than RANGE_ELEMENTS
    elements, so that a part is one frame.
    """

    def __init__(self, servers: int, bound: int = BIG_ARRAY) -> None:
        self.bound = bound
        self.load = [0] * servers  # bytes

    def place(self, elements: int, item_bytes: int, row: int = 1) -> list[Part]:
        """The parts of the next key, in order of lo; cut between rows of `row` elements, of at most RANGE_ELEMENTS."""
        if elements <= self.bound:
            server = self.load.index(min(self.load))
            pieces = [(server, 0, elements)]
        else:
            rows = elements // row
            count = min(len(self.load), rows)
            shares = [share(rows, server, count) for server in range(count)]
            pieces = [(server, first * row, last * row) for server, (first, last) in enumerate(shares)]
        for server, lo, hi in pieces:
            self.load[server] += (hi - lo) * item_bytes
        return [part for piece in pieces for part in _cut(*piece, row)]


def _cut(server: int, lo: int, hi: int, row: int) -> Iterator[Part]:
    rows = (hi - lo) // row
    count = max(1, -(-rows // (RANGE_ELEMENTS // row)))
    for index in range(count):
        first, last = share(rows, index, count)
        yield Part(server, lo + first * row, lo + last * row)
