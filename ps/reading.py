"""What a request says of ranges: their gradients out of its frames, and what it must not say."""

from __future__ import annotations

import numpy as np

from ..common.coding import Coding
from ..common.requests import OfTensors, Pull, Push
from ..common.tensor import Tensor, with_frames
from ..common.wire import Frame, WireError
from .compression import decode
from .fit import Range
from .update import Array


def values(frame: Frame, dtype: str) -> Array:
    """The numbers in a data frame, little endian, without a copy."""
    found: Array = np.frombuffer(frame, np.dtype(dtype).newbyteorder("<"))
    return found


def decoded(coding: Coding, tensor: Tensor, frame: Frame) -> Array:
    """The numbers that a frame is the code of."""
    if tensor.dtype != "float32":
        raise WireError("malformed", "only float32 is compressed", key=tensor.key, got=tensor.dtype)
    return decode(coding, np.frombuffer(frame, np.uint8), tensor.hi - tensor.lo)


def require_part(entry: Range, part: str) -> None:
    """WireError unless the range has that part."""
    if entry.part(part) is None:
        raise WireError(
            "unknown_part",
            f"key {entry.tensor.key!r} has no {part!r}",
            key=entry.tensor.key,
            expected=" or ".join(["weight", *entry.states]),
            got=part,
        )


def gradients_of(message: Push, entries: list[Range]) -> list[tuple[Array | None, Array]]:
    """Row ids (None if dense) and data of each tensor; none if they lie in the segment."""
    if message.shared or message.coding:
        refuse_rows(message)
    if message.shared:
        return []
    if message.coding:
        pairs = zip(message.tensors, message.frames, strict=True)
        return [(None, decoded(message.coding, tensor, frame)) for tensor, frame in pairs]
    found = with_frames(message.tensors, message.frames)
    return [
        (None if ids is None else entry.row_ids(ids), values(data, tensor.dtype))
        for entry, (tensor, ids, data) in zip(entries, found, strict=True)
    ]


def rows_of(message: Pull, entries: list[Range]) -> list[Array | None]:
    """The rows that are asked for, from each range; None for all."""
    frames = iter(message.frames)
    return [
        None if tensor.rows is None else entry.row_ids(next(frames))
        for tensor, entry in zip(message.tensors, entries, strict=True)
    ]


def refuse_rows(message: OfTensors) -> None:
    """WireError if a tensor of `message` is row-sparse."""
    for tensor in message.tensors:
        if tensor.rows is not None:
            raise WireError("malformed", f"{message.op}: row-sparse values", key=tensor.key)


def refuse_repetition(message: OfTensors) -> None:
    """WireError if a range comes twice: then it would not be clear what is meant."""
    if len({(item.key, item.lo) for item in message.tensors}) < len(message.tensors):
        raise WireError("malformed", f"{message.op}: a range comes twice in one message")
