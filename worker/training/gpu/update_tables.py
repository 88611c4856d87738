"""The tables that kernels of updates read: what they update, in chunks and keys (cuda/source/update.cuh)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....common.slices import CHUNK
from ....ps.optimizers.whole_keys import LARS
from ...array import Array

# Keys are cut into chunks, one for a block, so that one launch fits many small keys and few large ones alike. They are
# also the chunks of sums of squares. Fields are those of the structs, in their order.
_CHUNKS = np.dtype(
    [
        ("begin", np.int64),
        ("rate_multiplier", np.float64),
        ("decay", np.float64),
        ("length", np.int32),
        ("key", np.int32),
    ]
)
_KEYS = np.dtype(
    [
        ("begin", np.int64),
        ("rate_multiplier", np.float64),
        ("decay", np.float64),
        ("first_chunk", np.int32),
        ("chunks", np.int32),
        ("stream", np.uint32),
        ("adapts", np.int32),
    ]
)


@dataclass(frozen=True)
class Span:
    """Where a key lies in the flat arrays, in elements, how its learning rate and decay are scaled, and its name."""

    begin: int
    length: int
    lr_mult: float = 1.0
    wd_mult: float = 1.0
    name: str = ""


def chunk_table(layout: Sequence[Span], decay: float) -> Array:
    """An element for each chunk, in the order of the keys. Decay is in double precision: kernels round it."""
    return np.array(list(_chunks(layout, decay)), _CHUNKS)


def _chunks(layout: Sequence[Span], decay: float) -> Iterator[tuple[Any, ...]]:
    for key, span in enumerate(layout):
        for begin in range(span.begin, span.begin + span.length, CHUNK):
            length = min(CHUNK, span.begin + span.length - begin)
            yield begin, span.lr_mult, decay * span.wd_mult, length, key


def key_table(layout: Sequence[Span], decay: float) -> Array:
    """An element for each key, those without elements included."""
    return np.array(list(_keys(layout, decay)), _KEYS)


def _keys(layout: Sequence[Span], decay: float) -> Iterator[tuple[Any, ...]]:
    first = 0
    for span in layout:
        chunks = -(-span.length // CHUNK)
        stream = zlib.crc32(span.name.encode())  # as SGLD.scalars has it
        yield span.begin, span.lr_mult, decay * span.wd_mult, first, chunks, stream, LARS.adapts(span.name)
        first += chunks
