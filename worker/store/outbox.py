"""What a worker still has to ask one server, and what it waits for. No sockets, no threads, no kinds of requests.

Requests leave by priority. Of one range, push n + 1 leaves only when push n is acknowledged and every pull has been
answered, so a server needs one gradient slot per worker and range. Every request can be said again: after a lost
connection all unanswered ones are.

A request is first in `_later`, unless it may begin at once; then in `_open` until it is answered, and as long as it is
not sent in `_ready` as well. Only the transport thread uses an outbox, so nothing here is locked.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from ...common.codec import Message
from ...common.link import remote
from ...common.messages import Error
from ...common.requests import Ack, Ok, Statistics, Values
from ...common.tensor import with_frames
from ...common.wire import TENSORS
from .flight import Flight
from .pushes import PushRequest
from .requests import Question, Range, Request, Sender, Value

TOGETHER = 1 << 18  # bytes: small tensors of one step travel together up to this


@dataclass(slots=True, eq=False)
class Open:
    """A question that is not answered yet. `turn` is (-priority, number): the lowest leaves first.

    `sent` becomes False again when the message could not be handed over or the connection was lost.
    """

    question: Question
    range: Range
    turn: tuple[int, int]
    sent: bool = False

    def __lt__(self, other: Open) -> bool:
        return self.turn < other.turn


class Outbox:
    """Requests of worker `rank` of a job for one server. `incarnation` names the worker's process."""

    def __init__(self, job: str, rank: int, incarnation: str) -> None:
        self._sender = Sender(job=job, rank=rank, incarnation=incarnation)
        self._ready: dict[Hashable, list[Open]] = {}  # heaps of questions that may share a message
        self._open: dict[Range, list[Open]] = {}  # to be sent, or sent and not answered
        self._later: dict[Range, deque[tuple[int, Request]]] = {}  # with their numbers
        self._numbers = count()

    def add(self, request: Request) -> None:
        """Take a request; it leaves when its turn has come."""
        number, where = next(self._numbers), request.range
        # Whatever waits for this range came earlier: nothing overtakes it, although it might be allowed to begin.
        if where in self._later or not self._may_begin(request, where):
            self._later.setdefault(where, deque()).append((number, request))
        else:
            self._begin(number, request, where)

    def _may_begin(self, request: Request, where: Range) -> bool:
        return all(request.may_join(item.question) for item in self._open.get(where, ()))

    def _begin(self, number: int, request: Request, where: Range) -> None:
        question = request.begin()
        if question is not None:
            item = Open(question, where, (-question.priority, number))
            self._open.setdefault(where, []).append(item)
            self._line_up(item)

    def _line_up(self, item: Open) -> None:
        heapq.heappush(self._ready.setdefault(item.question.alike(), []), item)

    def __bool__(self) -> bool:
        """Whether something could be sent now."""
        return bool(self._ready)

    @property
    def idle(self) -> bool:
        """Whether nothing is to be sent or answered."""
        return not self._open

    def pending(self) -> Iterator[tuple[int, str]]:
        """Fit and key of every push that is not acknowledged, sent or not."""
        for items in self._open.values():
            yield from (item.range[:2] for item in items if isinstance(item.question, PushRequest))
        for waiting in self._later.values():
            yield from (item.range[:2] for _, item in waiting if isinstance(item, PushRequest))

    # ---- out

    def take(self) -> list[Open]:
        """The most urgent question and those that travel with it; they count as sent. Not to be asked for if empty.

        Questions of one kind and step share a message although others in between are more urgent: to wait for the rest
        of it costs those less than one more message would.
        """
        alike, heap = min(self._ready.items(), key=lambda item: item[1][0])
        found: list[Open] = []
        size = 0
        # The first is taken whatever its size; TENSORS is the most that the protocol allows in a message.
        while heap and len(found) < TENSORS and (not found or size + heap[0].question.nbytes <= TOGETHER):
            size += heap[0].question.nbytes
            found.append(heapq.heappop(heap))
            found[-1].sent = True
        if not heap:
            del self._ready[alike]
        return found

    def put_back(self, taken: Sequence[Open]) -> None:
        """What `take` gave could not be sent after all; it keeps its turn."""
        for item in taken:
            item.sent = False
            self._line_up(item)

    def again(self) -> None:
        """The connection is a new one: whatever is unanswered must be said again."""
        self.put_back([item for items in self._open.values() for item in items if item.sent])

    def message(self, taken: Sequence[Open]) -> Message:
        """What `take` gave, as one message. To be sent at once: its frames are the arrays' own memory."""
        questions = [item.question for item in taken]
        return questions[0].message(self._sender, questions)

    # ---- in

    def answer(self, message: Message) -> None:
        """Take a server's reply. An error of one fit fails the flights that it concerns.

        Raises RemoteError if it concerns the worker as a whole, such as "superseded".
        """
        if isinstance(message, Ack):
            for key, lo in message.ranges:
                self._answered((message.fit, key, lo), message)
        elif isinstance(message, Values):
            for value in with_frames(message.tensors, message.frames):
                self._answered((message.fit, value[0].key, value[0].lo), message, value)
        elif isinstance(message, Ok | Statistics):
            self._answered((-1, "", message.seq), message)  # the range of a CallRequest
        elif isinstance(message, Error):
            self._refused(message)

    def _answered(self, where: Range, message: Message, value: Value | None = None) -> None:
        """What waited for the answer may leave. Nothing happens if nobody waits for it (any more)."""
        for item in self._open.get(where, ()):
            if item.question.answered_by(message):
                if item.question.accept(message, value):
                    self._remove(item)
                    item.question.flight.land()  # last: it may let a caller go on who then reads what was received
                return

    def _remove(self, item: Open) -> None:
        where = item.range
        self._open[where].remove(item)
        if not self._open[where]:
            del self._open[where]
        if not item.sent:  # it was to be said again, and the answer to the first saying has come
            self._step_out(item)
        waiting = self._later.get(where)
        while waiting and self._may_begin(waiting[0][1], where):
            self._begin(*waiting.popleft(), where)
        if waiting is not None and not waiting:
            del self._later[where]

    def _step_out(self, item: Open) -> None:
        alike = item.question.alike()
        heap = self._ready[alike]
        heap.remove(item)  # this and heapify look at the whole heap, but only after a lost connection
        heapq.heapify(heap)
        if not heap:
            del self._ready[alike]

    def _refused(self, error: Error) -> None:
        exception = remote(error)
        if error.fit is None:
            raise exception
        # No hit is no error: a refusal that was repeated may come after its request was forgotten.
        hit = [item for items in self._open.values() for item in items if item.question.concerned_by(error)]
        for item in hit:
            item.question.flight.fail(exception)

    def forget(self, flight: Flight) -> None:
        """Drop all requests of a failed flight. Answers to those that were sent will find nobody and be ignored."""
        self._open = _kept(self._open, lambda item: item.question.flight.whole is not flight)
        self._later = _kept(self._later, lambda item: item[1].flight.whole is not flight)
        self._ready = _kept(self._ready, lambda item: item.question.flight.whole is not flight)
        for heap in self._ready.values():
            heapq.heapify(heap)


def _kept(queues: dict[Any, Any], wanted: Callable[[Any], bool]) -> dict[Any, Any]:
    """The same queues with what is `wanted`, without those that are empty then."""
    kept = {where: type(queue)(filter(wanted, queue)) for where, queue in queues.items()}
    return {where: queue for where, queue in kept.items() if queue}
