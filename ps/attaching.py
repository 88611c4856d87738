"""Ranges that move into memory shared with the workers of this host."""

from __future__ import annotations

import math

from ..common.requests import Attach
from ..common.segment import Segment, Ticket
from ..common.wire import WireError
from .blocks import Block, block_at
from .fit import Fit, Range
from .memory import return_freed_memory


def attach(fit: Fit, message: Attach, workers: int) -> None:
    """Do what `message` asks. WireError `segment` if this process cannot reach that memory; nothing has moved then."""
    if fit.mode != "sync":
        raise WireError("segment", f"dist_{fit.mode}: weights may change while a worker reads them")
    if len(message.places) != len(message.tensors):
        raise WireError("malformed", "attach: places", expected=len(message.tensors), got=len(message.places))
    entries = [fit.find(tensor) for tensor in message.tensors]
    moving = [(entry, place) for entry, place in zip(entries, message.places, strict=True) if _is_new(entry, message)]
    segment = _segment(fit, message)
    blocks = [_block(segment, entry, place, workers) for entry, place in moving]
    for (entry, _), block in zip(moving, blocks, strict=True):
        entry.move(block, message.nonce)
    return_freed_memory()


def _is_new(entry: Range, message: Attach) -> bool:
    """Whether the range has not moved there yet."""
    if entry.segment == message.nonce:
        return False
    if entry.segment is not None or any(entry.ledger.pushed):
        raise WireError("order", "attach after the first push, or twice", key=entry.tensor.key)
    return True


def _segment(fit: Fit, message: Attach) -> Segment:
    if message.nonce not in fit.segments:
        try:
            fit.segments[message.nonce] = Segment.open(Ticket(message.pid, message.fd, message.bytes, message.nonce))
        except (OSError, ValueError, OverflowError) as error:
            raise WireError("segment", f"cannot share memory with worker 0: {error}") from None
    return fit.segments[message.nonce]


def _block(segment: Segment, entry: Range, place: int, workers: int) -> Block:
    try:
        return block_at(segment, place, math.prod(entry.tensor.shape), entry.tensor.dtype, workers)
    except ValueError as error:
        raise WireError("segment", str(error), key=entry.tensor.key) from None
