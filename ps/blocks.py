"""Where keys lie in a segment: the value of each, and behind it one gradient per worker, in rank order.

Every array begins at a multiple of ALIGN bytes, so that kernels like it as much as memory of their own. A key is whole
in its block though its ranges may be those of several servers: each sees its own elements of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..common.segment import ALIGN, Segment
from .update import Array


class Block(NamedTuple):
    """One key of `size` elements: its value (size,), and a gradient in each row of (workers, size or a few more)."""

    value: Array
    gradients: Array


def stride(size: int, item_bytes: int) -> int:
    """Elements from the beginning of one array of a block to that of the next."""
    return -(-size * item_bytes // ALIGN) * ALIGN // item_bytes


def block_bytes(size: int, item_bytes: int, workers: int) -> int:
    """Of a whole block."""
    return (1 + workers) * stride(size, item_bytes) * item_bytes


def lay_out(sizes: Iterable[tuple[int, int]], workers: int) -> tuple[list[int], int]:
    """Where the blocks of keys of (elements, bytes per element) begin, one behind the other, and where they all end."""
    places: list[int] = []
    end = ALIGN
    for size, item_bytes in sizes:
        places.append(end)
        end += block_bytes(size, item_bytes, workers)
    return places, end


def block_at(segment: Segment, place: int, size: int, dtype: Any, workers: int) -> Block:
    """The block that begins at byte `place`. ValueError if it does not lie within the segment."""
    kind = np.dtype(dtype)
    each = stride(size, kind.itemsize)
    if place % ALIGN or place < ALIGN or place + block_bytes(size, kind.itemsize, workers) > segment.ticket.nbytes:
        raise ValueError(f"no block of {size} elements at byte {place} of a segment of {segment.ticket.nbytes}")
    everything: Array = np.frombuffer(segment.memory, kind, (1 + workers) * each, place).reshape(1 + workers, each)
    return Block(everything[0, :size], everything[1:])
