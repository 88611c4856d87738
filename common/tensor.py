"""What a header says of one tensor: which range of which key, its dtype, shape and, if row-sparse, how many rows.

The data themselves are raw frames after the header, in the order of the tensors.
"""

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

AXES = 32  # of a shape; numpy's own limit before version 2


class Tensor(NamedTuple):
    """Elements [lo, hi) of the flattened key. `shape` is the whole key's; `rows` is how many come, None if dense."""

    key: str
    dtype: str
    shape: tuple[int, ...]
    lo: int
    hi: int
    rows: int | None = None

    @property
    def width(self) -> int:
        """The elements of one row, that is of one index of the first axis."""
        return math.prod(self.shape[1:])

    @property
    def nbytes(self) -> int:
        """The length in bytes of the range's data frame."""
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
    """Check a Tensor from a header. Raises WireError if it is not one, contradicts itself or is too large."""
    tensor = Tensor(*_FIELDS(value))
    size = math.prod(tensor.shape)
    # Only an empty key has an empty range.
    if not tensor.lo <= tensor.hi <= size or (tensor.lo == tensor.hi and size):
        raise malformed(f"range of key {tensor.key!r}", expected=f"lo < hi <= {size}", got=(tensor.lo, tensor.hi))
    # More rows than the key has would be repeated ones. A scalar has none.
    if tensor.rows is not None and (not tensor.shape or tensor.rows > tensor.shape[0]):
        raise malformed(f"rows of key {tensor.key!r}", expected=f"at most those of {tensor.shape}", got=tensor.rows)
    # The frame's size follows from these fields, so this is what bounds the memory of a message.
    if tensor.nbytes > RANGE_ELEMENTS * ITEM_BYTES[tensor.dtype]:
        raise malformed(f"key {tensor.key!r}", expected=f"at most {RANGE_ELEMENTS} elements", got=tensor[3:])
    return tensor


def data_frames(tensors: Iterable[Tensor]) -> tuple[tuple[int, int], ...]:
    """The least and greatest size in bytes (they are equal) of the frames that carry `tensors`.

    Each has a frame of data, and before it one of row ids (int64) if it is row-sparse.
    """
    sizes: list[tuple[int, int]] = []
    for tensor in tensors:
        if tensor.rows is not None:
            sizes.append((8 * tensor.rows, 8 * tensor.rows))
        sizes.append((tensor.nbytes, tensor.nbytes))
    return tuple(sizes)


def row_frames(tensors: Iterable[Tensor]) -> tuple[tuple[int, int], ...]:
    """The least and greatest size in bytes of the frames of a request that carries no data: only the row ids."""
    return tuple((8 * tensor.rows, 8 * tensor.rows) for tensor in tensors if tensor.rows is not None)


def with_frames(tensors: Iterable[Tensor], frames: Sequence[Frame]) -> Iterator[tuple[Tensor, Frame | None, Frame]]:
    """Yield each tensor with the frame of its row ids (None if dense) and that of its data.

    `frames` must be as many as `data_frames` says, which `decode` has checked.
    """
    left = iter(frames)
    for tensor in tensors:
        ids = next(left) if tensor.rows is not None else None
        yield tensor, ids, next(left)
