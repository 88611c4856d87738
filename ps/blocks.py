"""Where keys lie in a segment: each has a block with its value, followed by one gradient per worker in rank order.

Every array begins at a multiple of ALIGN bytes, a cache line, so that kernels are as fast as on memory of their own and
two workers never write to the same line. A block holds a whole key even where its ranges belong to several servers;
each of them uses only its own elements.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..common.segment import ALIGN, Segment
from .update import Array


class Block(NamedTuple):
    """One key of `size` elements: `value` (size,), `gradients` (workers, stride), of which the first `size` count."""

    value: Array
    gradients: Array


def stride(size: int, item_bytes: int) -> int:
    """The number of elements from the beginning of one array of a block to that of the next, `size` rounded up."""
    return -(-size * item_bytes // ALIGN) * ALIGN // item_bytes


def block_bytes(size: int, item_bytes: int, workers: int) -> int:
    """The length in bytes of the block of a key of `size` elements: its value and a gradient per worker."""
    return (1 + workers) * stride(size, item_bytes) * item_bytes


def lay_out(sizes: Iterable[tuple[int, int]], workers: int) -> tuple[list[int], int]:
    """The bytes at which the blocks of keys of (elements, bytes per element) begin, one after another, and the end."""
    places: list[int] = []
    end = ALIGN  # after the head with the nonce
    for size, item_bytes in sizes:
        places.append(end)
        end += block_bytes(size, item_bytes, workers)
    return places, end


def block_at(segment: Segment, place: int, size: int, dtype: Any, workers: int) -> Block:
    """The block of a key of `size` elements that begins at byte `place`, as views (size,) and (workers, stride).

    Raises ValueError if it does not lie within the segment or is not aligned: `place` may come from the wire.
    """
    kind = np.dtype(dtype)
    each = stride(size, kind.itemsize)
    if place % ALIGN or place < ALIGN or place + block_bytes(size, kind.itemsize, workers) > segment.ticket.nbytes:
        raise ValueError(f"no block of {size} elements at byte {place} of a segment of {segment.ticket.nbytes}")
    everything: Array = np.frombuffer(segment.memory, kind, (1 + workers) * each, place).reshape(1 + workers, each)
    return Block(everything[0, :size], everything[1:])
