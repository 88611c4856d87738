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

    def place(self, elements: int, item_bytes: int) -> list[Part]:
        """The parts of the next key, in order of lo."""
        if elements <= self.bound:
            server = self.load.index(min(self.load))
            pieces = [(server, 0, elements)]
        else:
            count = min(len(self.load), elements)
            pieces = [(server, *share(elements, server, count)) for server in range(count)]
        for server, lo, hi in pieces:
            self.load[server] += (hi - lo) * item_bytes
        return [part for piece in pieces for part in _cut(*piece)]


def _cut(server: int, lo: int, hi: int) -> Iterator[Part]:
    size = hi - lo
    count = max(1, -(-size // RANGE_ELEMENTS))
    for index in range(count):
        first, last = share(size, index, count)
        yield Part(server, lo + first, lo + last)
