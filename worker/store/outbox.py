"""What a worker still has to ask one server, and what it waits for. No sockets, no threads.

Requests leave by priority. Of one range, push n + 1 leaves only when push n is acknowledged and every pull has been
answered, so a server needs one gradient slot per worker and range. Every request can be said again: after a lost
connection all unanswered ones are.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from ...common.codec import Message
from ...common.errors import RemoteError
from ...common.link import remote
from ...common.messages import Error
from ...common.requests import Ack, Init, Ok, Pull, Push, Statistics, Values
from ...common.tensor import Tensor, with_frames
from ...common.wire import TENSORS, Frame
from ..array import Array, same_memory
from ..profiling.spans import recorder
from .flight import Flight
from .requests import Range, Request

TOGETHER = 1 << 18  # bytes: small tensors of one step travel together up to this


@dataclass
class Outbox:
    """Requests of worker `rank` for one server."""

    job: str
    rank: int
    incarnation: str
    ready: dict[Hashable, list[Request]] = field(default_factory=dict)  # heaps of requests that may share a message
    active: dict[Range, list[Request]] = field(default_factory=dict)  # to be sent, or sent and not answered
    later: dict[Range, deque[Request]] = field(default_factory=dict)
    numbers: Any = field(default_factory=count)

    def add(self, request: Request) -> None:
        """Take a request; it leaves when its turn has come."""
        request.order = next(self.numbers)
        where = request.range
        if self.later.get(where) or not _may_join(request, self.active.get(where, ())):
            self.later.setdefault(where, deque()).append(request)
        else:
            self._activate(request)

    def _activate(self, request: Request) -> None:
        if request.kind == "copy":  # its turn is when the push before it is part of the version that is there
            _copy(request)
            return
        self.active.setdefault(request.range, []).append(request)
        self._line_up(request)

    def _line_up(self, request: Request) -> None:
        heapq.heappush(self.ready.setdefault(request.alike(), []), request)

    def __bool__(self) -> bool:
        """Whether something could be sent now."""
        return bool(self.ready)

    @property
    def idle(self) -> bool:
        """Whether nothing is to be sent or answered."""
        return not self.active

    # ---- out

    def take(self) -> list[Request]:
        """The most urgent request and those that travel with it; they count as sent.

        Small ones share a message though others were more urgent: that costs those less than a message of their own.
        """
        alike, heap = min(self.ready.items(), key=lambda item: item[1][0])
        found: list[Request] = []
        size = 0
        while heap and len(found) < TENSORS and (not found or size + heap[0].nbytes <= TOGETHER):
            size += heap[0].nbytes
            found.append(heapq.heappop(heap))
            found[-1].sent = True
        if not heap:
            del self.ready[alike]
        return found

    def put_back(self, requests: list[Request]) -> None:
        """They could not be sent after all."""
        for request in requests:
            request.sent = False
            self._line_up(request)

    def again(self) -> None:
        """The connection is a new one: whatever is unanswered must be said again."""
        self.put_back([item for items in self.active.values() for item in items if item.sent])

    def message(self, requests: list[Request]) -> Message:
        """`requests` (from `take`) as one message."""
        first = requests[0]
        if first.kind == "call":
            made: Message = first.message
            return made
        tensors = tuple(item.tensor for item in requests if item.tensor is not None)
        common = {"job": self.job, "rank": self.rank, "incarnation": self.incarnation, "fit": first.fit}
        if first.kind == "pull":
            rows = tuple(_bytes_of(item.rows) for item in requests if item.rows is not None)
            return Pull(**common, n=first.n, part=first.part, tensors=tensors, frames=rows)  # type: ignore[arg-type]
        if first.slot is not None:
            for item in requests:
                _fill(item)
            return Push(**common, n=first.n, lr=first.lr, shared=True, tensors=tensors)  # type: ignore[arg-type]
        sent = (array for item in requests for array in (item.rows, item.array) if array is not None)
        frames: tuple[Frame, ...] = tuple(_bytes_of(array) for array in sent)
        if first.kind == "push":
            step: dict[str, Any] = {"n": first.n, "lr": first.lr, "coding": first.coding}
            return Push(**common, **step, tensors=tensors, frames=frames)  # type: ignore[arg-type]
        mults = {"lr_mult": first.lr_mult, "wd_mult": first.wd_mult}
        return Init(**common, **mults, part=first.part, tensors=tensors, frames=frames)  # type: ignore[arg-type]

    # ---- in

    def answer(self, message: Message) -> None:
        """Take a server's reply. RemoteError if it concerns the worker as a whole and not one fit."""
        if isinstance(message, Ack):
            for key, lo in message.ranges:
                kind = "push" if message.n else "init"
                self._finish((message.fit, key, lo), kind, message.n, message.part)
        elif isinstance(message, Values):
            for tensor, ids, frame in with_frames(message.tensors, message.frames):
                self._value(message, tensor, ids, frame)
        elif isinstance(message, Ok | Statistics):
            self._finish((-1, "", message.seq), "call", 0, "weight", message)
        elif isinstance(message, Error):
            self._refused(message)

    def _value(self, message: Values, tensor: Tensor, ids: Frame | None, frame: Frame) -> None:
        for request in self.active.get((message.fit, tensor.key, tensor.lo), ()):
            if (request.kind, request.n, request.part) == ("pull", message.n, message.part):
                assert request.array is not None and request.tensor is not None
                if tensor[:5] != request.tensor[:5]:
                    request.flight.fail(RemoteError("shape", f"server sent {tensor}, not {request.tensor}"))
                    return
                if not _same_rows(request.rows, ids):
                    return  # it answers an earlier pull, which has been answered before
                np.copyto(request.array, np.frombuffer(frame, np.dtype(tensor.dtype).newbyteorder("<")))
                if request.asked is not None:
                    recorder.note(tensor.key, "", "pull", request.asked)
                self._finish(request.range, "pull", message.n, message.part)
                return

    def _finish(self, where: Range, kind: str, n: int, part: str, answer: Any = None) -> None:
        """The request is answered; what waited for that may leave. Nothing if nobody waits for it (any more)."""
        for request in self.active.get(where, ()):
            if (request.kind, request.n, request.part) == (kind, n, part):
                request.answer = answer
                self._remove(request)
                request.flight.land()
                return

    def _remove(self, request: Request) -> None:
        where = request.range
        self.active[where].remove(request)
        if not request.sent:  # answered by an earlier saying
            self._step_out(request)
        if not self.active[where]:
            del self.active[where]
        waiting = self.later.get(where)
        while waiting and _may_join(waiting[0], self.active.get(where, ())):
            self._activate(waiting.popleft())
        if where in self.later and not self.later[where]:
            del self.later[where]

    def _step_out(self, request: Request) -> None:
        heap = self.ready[request.alike()]
        heap.remove(request)
        heapq.heapify(heap)
        if not heap:
            del self.ready[request.alike()]

    def _refused(self, error: Error) -> None:
        exception = remote(error)
        if error.fit is None:
            raise exception
        hit = [item for items in self.active.values() for item in items if _concerns(error, item)]
        for request in hit:
            request.flight.fail(exception)

    def forget(self, flight: Flight) -> None:
        """Drop all requests of a failed flight."""
        self.active = _without(flight, self.active, list)
        self.later = _without(flight, self.later, deque)
        self.ready = _without(flight, self.ready, list)
        for heap in self.ready.values():
            heapq.heapify(heap)


def _same_rows(rows: Array | None, ids: Frame | None) -> bool:
    if rows is None or ids is None:
        return rows is None and ids is None
    return np.array_equal(rows, np.frombuffer(ids, "<i8"))


def _without(flight: Flight, queues: dict[Any, Any], kind: type[Any]) -> dict[Any, Any]:
    kept = {where: kind(item for item in queue if item.flight is not flight) for where, queue in queues.items()}
    return {where: queue for where, queue in kept.items() if queue}


def _may_join(request: Request, active: Any) -> bool:
    """Whether `request` may leave while `active` of the same range are unanswered."""
    if request.kind == "pull":
        return all(item.kind == "push" for item in active)
    return not active


def _concerns(error: Error, request: Request) -> bool:
    if error.seq is not None:
        return request.kind == "call" and request.message.seq == error.seq
    if request.kind == "call" or request.fit != error.fit or request.tensor is None:
        return False
    return (
        (error.key is None or request.tensor.key == error.key)
        and (error.lo is None or request.tensor.lo == error.lo)
        and (error.n is None or request.n == error.n)
    )


def _copy(pull: Request) -> None:
    """Fetch a value from shared memory, unless it is wanted just there."""
    assert pull.array is not None and pull.source is not None and pull.tensor is not None
    if pull.array is not pull.source and not same_memory(pull.array, pull.source):
        np.copyto(pull.array, pull.source)
    if pull.asked is not None:
        recorder.note(pull.tensor.key, "", "pull", pull.asked)
    pull.flight.land()


def _fill(push: Request) -> None:
    """Put the gradient where the server reads it, unless it has been made there.

    Once only: when a push is said again, the server may be summing up in there.
    """
    assert push.array is not None and push.slot is not None
    if push.array is not push.slot and not same_memory(push.array, push.slot):
        np.copyto(push.slot, push.array)
        push.array = push.slot


def _bytes_of(array: Array) -> Frame:
    """The array's memory, without a copy."""
    return array.data.cast("B") if array.size else b""
