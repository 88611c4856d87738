"""Moving ranges into memory that is shared with the workers of this host, as worker 0 asks after init.

From then on workers write gradients into the ranges' slots and read the values in place; only headers travel. The
protocol keeps them from touching either at the wrong time: see `Shared memory` in docs/protocol.md.
"""

from __future__ import annotations

import math

from ..common.requests import Attach
from ..common.segment import Segment, Ticket
from ..common.wire import WireError
from .blocks import Block, block_at
from .fit import Fit, Range
from .memory import return_freed_memory


def attach(fit: Fit, message: Attach, workers: int) -> None:
    """Move the ranges that `message` names into its segment; those that are there already stay.

    Raises WireError: `segment` if this process cannot use that memory, `order` if a range has been pushed to already,
    and what Fit.find raises. Nothing has moved then: everything is checked before the first range moves.
    """
    # In sync mode no worker reads between its push and the ack, and that is when the value changes.
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
    return_freed_memory()  # the ranges' former arrays, as large as all that this server holds


def _is_new(entry: Range, message: Attach) -> bool:
    """Whether the range has yet to move; WireError if it must not."""
    if entry.segment == message.nonce:  # the message is repeated
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
