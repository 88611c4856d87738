"""Which server holds which part of which key.

Nobody announces it: every worker computes the same answer from the keys' shapes and their order. So the rule is part of
the protocol (docs/protocol.md, Ranges) and must not depend on anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..common.slices import share
from ..common.wire import RANGE_ELEMENTS

BIG_ARRAY = 1_000_000  # elements: MXNET_KVSTORE_BIGARRAY_BOUND's default


@dataclass(frozen=True)
class Part:
    """Elements [lo, hi) of the flattened key are held by the server of rank `server`."""

    server: int
    lo: int
    hi: int


class Assignment:
    """Deals keys to `servers` servers in the order in which they are given, each whole key to the least loaded server.

    Keys of more than `bound` elements are split evenly over all servers. No part has more than RANGE_ELEMENTS elements,
    so that it fits in one frame.
    """

    def __init__(self, servers: int, bound: int = BIG_ARRAY) -> None:
        self.bound = bound
        self.load = [0] * servers  # bytes

    def place(self, elements: int, item_bytes: int, row: int = 1, whole: bool = False) -> list[Part]:
        """The parts of the next key, of `elements` elements of `item_bytes` bytes, in order of lo.

        A `whole` key stays on one server, for optimizers that need norms of it, however long it is.
        They are cut only between rows of `row` elements, which must be a divisor of `elements` and at most
        RANGE_ELEMENTS; 1 allows any cut.
        """
        if whole or elements <= self.bound:
            server = self.load.index(min(self.load))  # the lowest rank among equals
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
