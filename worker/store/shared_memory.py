"""Moves keys into memory that the servers and workers of one host share: only headers travel from then on.

Worker 0 makes the segment, has every server move its ranges there, and writes the first values; then all workers open
it. If one process cannot, values travel through sockets as before, which servers that have moved their ranges can do as
well.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from ...common.codec import Message
from ...common.errors import RemoteError
from ...common.requests import Attach
from ...common.segment import Segment, Ticket
from ...common.tensor import Tensor
from ...common.wire import TENSORS
from ...ps.blocks import block_at, lay_out
from .keys import First, KeyInfo
from .server_calls import ServerCalls

LEAST = 1 << 16  # bytes of keys: fewer than that fit into one message, which is as fast as a header alone
MOST = (
    1 << 28
)  # bytes of several keys in one segment, so that memory that cannot be had is noticed before much is taken


def worth_sharing(items: Sequence[First]) -> Iterator[list[First]]:
    """Those of the new keys that are to live in shared memory, in their order, by segment."""
    part: list[First] = []
    for first in [item for item in items if not item.info.row_sparse]:
        if part and sum(one.info.nbytes for one in part) + first.info.nbytes > MOST:
            yield part
            part = []
        part.append(first)
    if sum(one.info.nbytes for one in part) >= LEAST:
        yield part


def share(servers: ServerCalls, items: Sequence[First]) -> bool:
    """Have these keys, initialised without a value, live in shared memory with it. Every worker calls it.

    Gives them `value` and `gradient`. False if it cannot be, which is no error: standard error says why, and they have
    no value yet. Raises what `ServerCalls.ask` raises for other reasons.
    """
    infos = [first.info for first in items]
    session, workers = servers.session, servers.session.num_workers
    places, end = lay_out([(info.size, info.dtype.itemsize) for info in infos], workers)
    made = _make(servers, infos, places, end) if session.rank == 0 else None
    if made:
        for (info, array, *_), place in zip(items, places, strict=True):
            block_at(made, place, info.size, info.dtype, workers).value[:] = array.reshape(-1)
    said = session.gather(json.dumps(made.ticket).encode() if made else b"", "shared memory")[0]
    # Rank 0 tells its ticket (nothing if it has none), then all tell whether they could open it: either all use shared
    # memory or none does. Every worker takes part in both collectives, whatever it has found out by then.
    segment = made or (_open(Ticket(*json.loads(said))) if said else None)
    everyone = session.gather(b"1" if segment else b"", "shared memory: opened")
    if made:  # not before: the others open it through our file descriptor
        made.settle()
    if segment is None or not all(everyone):
        return False
    for info, place in zip(infos, places, strict=True):
        value, gradients = block_at(segment, place, info.size, info.dtype, workers)
        info.value = value.reshape(info.shape)
        info.gradient = gradients[session.rank, : info.size].reshape(info.shape)
    return True


def _make(servers: ServerCalls, infos: Sequence[KeyInfo], places: Sequence[int], nbytes: int) -> Segment | None:
    """A segment in which the servers keep their ranges now; None, and a word about it, if that cannot be."""
    try:
        segment = Segment.create(nbytes)
    except OSError as error:
        _say(f"{nbytes >> 20} MiB: {error}")
        return None
    try:
        servers.ask(_attach_messages(servers, infos, places, segment.ticket))
    except RemoteError as error:
        if error.code != "segment":  # that one says that the server cannot reach the memory, and nothing has changed
            raise
        _say(str(error))
        segment.settle()
        return None
    return segment


def _attach_messages(
    servers: ServerCalls, infos: Sequence[KeyInfo], places: Sequence[int], ticket: Ticket
) -> Iterator[tuple[int, Message]]:
    """What each server is to be told, in as many messages as it takes."""
    ranges: dict[int, list[tuple[Tensor, int]]] = {}
    for info, place in zip(infos, places, strict=True):
        for server, _, tensor in info.ranges:
            ranges.setdefault(server, []).append((tensor, place))
    known: dict[str, Any] = {"pid": ticket.pid, "fd": ticket.fd, "bytes": ticket.nbytes, "nonce": ticket.nonce}
    for server, found in ranges.items():
        for first in range(0, len(found), TENSORS):
            tensors, starts = zip(*found[first : first + TENSORS], strict=True)
            yield server, Attach(**servers.me, **known, seq=servers.next_seq(), tensors=tensors, places=starts)


def _open(ticket: Ticket) -> Segment | None:
    try:
        return Segment.open(ticket)
    except OSError as error:
        _say(str(error))
        return None


def _say(reason: str) -> None:
    text = f"pushgrad: values travel through sockets, as memory cannot be shared ({reason})"
    print(text, file=sys.stderr, flush=True)
