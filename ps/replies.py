"""Replies on their way to one worker: kept as names, made into messages only when the worker can take them.

So a worker that reads slowly or repeats its questions costs a few words per range, and never a copy of the weights. And
what it gets is the value at the time of sending, which in async mode is newer than the one at the time of asking.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice

from ..common.codec import Message
from ..common.messages import Error
from ..common.requests import Ack, Values
from ..common.tensor import Tensor
from ..common.wire import TENSORS, Frame
from .answers import Acked, Ready, Reply, Say
from .fit import Name
from .service import Service

ROWS_WAITING = 16 << 20  # bytes of row ids of pulls whose answers wait: ours has one pull of a range at a time
TOGETHER = 1 << 18  # bytes: small values travel together up to this, since each message costs Python's time


class Replies:
    """The queue towards one worker. What is asked for twice is in it once: dicts serve as sets that keep the order."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.messages: deque[Message] = deque()
        self.acks: dict[tuple[int, int, str], dict[Name, None]] = {}
        self.ready: dict[Ready, None] = {}

    def add(self, reply: Reply) -> None:
        """Put one reply into the queue."""
        if isinstance(reply, Say):
            self.messages.append(reply.message)
        elif isinstance(reply, Acked):
            self.acks.setdefault((reply.fit, reply.n, reply.part), {})[reply.name] = None
        elif reply.rows is None or reply in self.ready or self._row_bytes() + len(reply.rows) <= ROWS_WAITING:
            self.ready[reply] = None
        else:  # it asks for ever more rows and takes none
            self.messages.append(_refused(reply, "order", "too many rows are waiting to be sent to this worker"))

    def _row_bytes(self) -> int:
        return sum(len(item.rows) for item in self.ready if item.rows is not None)

    def __bool__(self) -> bool:
        return bool(self.messages or self.acks or self.ready)

    def flush(self, send: Callable[[Message], bool]) -> bool:
        """Send what there is with `send`, acknowledgements before values; False if the worker cannot take more now.

        What could not be sent stays. Acknowledgements come first because they are short and the worker waits for them
        before it may push on.
        """
        while self.messages:
            if not send(self.messages[0]):
                return False
            self.messages.popleft()
        return self._flush_acks(send) and self._flush_values(send)

    def _flush_acks(self, send: Callable[[Message], bool]) -> bool:
        while self.acks:
            (fit, n, part), names = next(iter(self.acks.items()))
            some = tuple(islice(names, TENSORS))
            if not send(Ack(fit=fit, n=n, part=part, ranges=some)):
                return False
            # Removed only when they have been sent: if the queue was full they must still be here.
            for name in some:
                del names[name]
            if not names:
                del self.acks[fit, n, part]
        return True

    def _flush_values(self, send: Callable[[Message], bool]) -> bool:
        while self.ready:
            some, message = self._next_values()
            if not send(message):
                return False
            for item in some:
                del self.ready[item]
        return True

    def _next_values(self) -> tuple[list[Ready], Message]:
        """The next message of values and what it answers: one big range, or small ones of one pull together."""
        first = next(iter(self.ready))
        some: list[Ready] = []
        tensors: list[Tensor] = []
        frames: list[Frame] = []
        version = size = 0
        for item in self.ready:
            found = self.service.value(item)
            if found is None:  # send what has been collected; this one is then the first and gets its error alone
                return (some, self._values(first, version, tensors, frames)) if some else ([item], _no_more(item))
            its_version, tensor, arrays = found
            nbytes = sum(array.nbytes for array in arrays)
            alike = (item.fit, item.n, item.part) == (first.fit, first.n, first.part)
            # One message has one version and one n: in async mode ranges are at different versions.
            if some and not (alike and its_version == version):
                break
            if some and (size + nbytes > TOGETHER or len(some) == TENSORS):
                break
            version, size = its_version, size + nbytes
            some.append(item)
            tensors.append(tensor)
            frames += [array.data.cast("B") if array.size else b"" for array in arrays]  # empty ones cannot be cast
        return some, self._values(first, version, tensors, frames)

    def _values(self, first: Ready, version: int, tensors: list[Tensor], frames: list[Frame]) -> Values:
        return Values(
            fit=first.fit, n=first.n, part=first.part, version=version, tensors=tuple(tensors), frames=tuple(frames)
        )


def _no_more(item: Ready) -> Error:
    """The error for a pull whose version went before it was sent: the worker took the next step without waiting."""
    return _refused(item, "gone", "pull of a version that is no more")


def _refused(item: Ready, code: str, text: str) -> Error:
    key, lo = item.name
    return Error(code=code, text=text, fit=item.fit, key=key, lo=lo, n=item.n)
