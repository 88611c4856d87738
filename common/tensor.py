"""What a message says of one tensor: which range of which key, its dtype, shape and, if sparse, how many rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from .wire import (
    ITEM_BYTES,
    KEY_BYTES,
    RANGE_ELEMENTS,
    Frame,
    choice,
    integer,
    malformed,
    optional,
    record,
    sequence,
    text,
)

AXES = 32


class Tensor(NamedTuple):
    """Elements [lo, hi) of the flattened key. `shape` is the whole key's; `rows` counts row ids, or None for dense."""

    key: str
    dtype: str
    shape: tuple[int, ...]
    lo: int
    hi: int
    rows: int | None = None

    @property
    def width(self) -> int:
        """Elements of one row."""
        return math.prod(self.shape[1:])

    @property
    def nbytes(self) -> int:
        """Bytes of the range's data frame."""
        if self.rows is not None:
            return self.rows * self.width * ITEM_BYTES[self.dtype]
        return (self.hi - self.lo) * ITEM_BYTES[self.dtype]


_FIELDS = record(
    text(KEY_BYTES, low=1),
    choice(*ITEM_BYTES),
    sequence(integer(0, 1 << 40), AXES),
    integer(0, 1 << 40),
    integer(0, 1 << 40),
    optional(integer(0, RANGE_ELEMENTS)),
)


def read_tensor(value: Any) -> Tensor:
    """`value` from a header as a Tensor; WireError if it is none or contradicts itself."""
    tensor = Tensor(*_FIELDS(value))
    size = math.prod(tensor.shape)
    if not tensor.lo <= tensor.hi <= size or (tensor.lo == tensor.hi and size):
        raise malformed(f"range of key {tensor.key!r}", expected=f"lo < hi <= {size}", got=(tensor.lo, tensor.hi))
    if tensor.rows is not None and (not tensor.shape or tensor.rows > tensor.shape[0]):
        raise malformed(f"rows of key {tensor.key!r}", expected=f"at most those of {tensor.shape}", got=tensor.rows)
    if tensor.nbytes > RANGE_ELEMENTS * ITEM_BYTES[tensor.dtype]:
        raise malformed(f"key {tensor.key!r}", expected=f"at most {RANGE_ELEMENTS} elements", got=tensor[3:])
    return tensor


def data_frames(tensors: Iterable[Tensor]) -> tuple[tuple[int, int], ...]:
    """Least and greatest size of the frames that carry `tensors`: for sparse ones the row ids (int64), then data."""
    sizes: list[tuple[int, int]] = []
    for tensor in tensors:
        if tensor.rows is not None:
            sizes.append((8 * tensor.rows, 8 * tensor.rows))
        sizes.append((tensor.nbytes, tensor.nbytes))
    return tuple(sizes)


def row_frames(tensors: Iterable[Tensor]) -> tuple[tuple[int, int], ...]:
    """The same for a request that carries no data: only the row ids."""
    return tuple((8 * tensor.rows, 8 * tensor.rows) for tensor in tensors if tensor.rows is not None)


def with_frames(tensors: Iterable[Tensor], frames: Sequence[Frame]) -> Iterator[tuple[Tensor, Frame | None, Frame]]:
    """Each tensor with the frame of its row ids (None if dense) and that of its data."""
    left = iter(frames)
    for tensor in tensors:
        ids = next(left) if tensor.rows is not None else None
        yield tensor, ids, next(left)
