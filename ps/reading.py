"""Reading what a request says of ranges: gradients and row ids from its frames; and refusing what it must not say.

Everything here raises WireError before anything is written, so a refused request has no effect.
"""

from __future__ import annotations

import numpy as np

from ..common.coding import Coding
from ..common.requests import Init, OfTensors, Pull, Push
from ..common.tensor import Tensor, with_frames
from ..common.wire import Frame, WireError
from .compression import decode
from .fit import Range
from .update import Array


def values(frame: Frame, dtype: str) -> Array:
    """The numbers in a data frame, flat and of `dtype`, little endian: a view, not a copy."""
    found: Array = np.frombuffer(frame, np.dtype(dtype).newbyteorder("<"))
    return found


def decoded(coding: Coding, tensor: Tensor, frame: Frame) -> Array:
    """The float32 numbers, flat (hi - lo,), of which a frame is the code.

    Raises WireError if the tensor is not float32, or from `decode` if the frame is no such code.
    """
    if tensor.dtype != "float32":
        raise WireError("malformed", "only float32 is compressed", key=tensor.key, got=tensor.dtype)
    return decode(coding, np.frombuffer(frame, np.uint8), tensor.hi - tensor.lo)


def require_part(entry: Range, part: str) -> None:
    """Raise WireError unless the range has that part: "weight" or one of its optimizer's states."""
    if entry.part(part) is None:
        raise WireError(
            "unknown_part",
            f"key {entry.tensor.key!r} has no {part!r}",
            key=entry.tensor.key,
            expected=" or ".join(["weight", *entry.states]),
            got=part,
        )


def refuse_blank(message: Init) -> None:
    """Raise WireError if an `init` without values gives a state, or takes the place of values."""
    if message.blank and (message.part != "weight" or message.restores):
        raise WireError("malformed", "only first weights can be blank", expected='part "weight" without restores')


def gradients_of(message: Push, entries: list[Range]) -> list[tuple[Array | None, Array]]:
    """Row ids (k,) (None if dense) and flat data of each tensor; an empty list if they lie in the segment.

    Raises WireError if row ids do not fit their range, a code cannot be decoded, or rows come shared or coded.
    """
    if message.shared or message.coding:
        refuse_rows(message)  # slots in a segment are dense, and codes count elements of the whole range
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


def rows_of(message: Pull, entries: list[Range]) -> list[bytes | None]:
    """The rows that are asked for of each range, the bytes of int64 (k,) counted from its first; None for all.

    Raises WireError if they do not lie in the range.
    """
    frames = iter(message.frames)
    return [
        None if tensor.rows is None else entry.row_ids(next(frames)).tobytes()
        for tensor, entry in zip(message.tensors, entries, strict=True)
    ]


def refuse_rows(message: OfTensors) -> None:
    """Raise WireError if a tensor of `message` is row-sparse."""
    for tensor in message.tensors:
        if tensor.rows is not None:
            raise WireError("malformed", f"{message.op}: row-sparse values", key=tensor.key)


def require_floats(message: OfTensors) -> None:
    """Raise WireError if a tensor of `message` is of whole numbers, which no optimizer can update."""
    for tensor in message.tensors:
        if tensor.dtype not in ("float32", "float64"):
            raise WireError(
                "optimizer",
                f"key {tensor.key!r}: an optimizer needs float values",
                key=tensor.key,
                expected="float32 or float64",
                got=tensor.dtype,
                remedy="Keep whole numbers in a store without an optimizer, which only sums",
            )


def refuse_repetition(message: OfTensors) -> None:
    """Raise WireError if a range comes twice in `message`: it would be unclear which of the two counts."""
    if len({(item.key, item.lo) for item in message.tensors}) < len(message.tensors):
        raise WireError("malformed", f"{message.op}: a range comes twice in one message")
