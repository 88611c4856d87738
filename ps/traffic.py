"""How many bytes of gradients and values a server exchanges with each worker. Whoever watches the job is told."""

from __future__ import annotations

from ..common.codec import Message
from ..common.messages import Traffic
from ..common.requests import FromWorker, Push


class Counter:
    """Counts since the job began, by rank. Headers do not count: values are nearly all that travels."""

    def __init__(self, workers: int) -> None:
        self.received, self.sent = [0] * workers, [0] * workers

    def took(self, message: FromWorker) -> None:
        """Count a request that was carried out."""
        self.received[message.rank] += sum(memoryview(frame).nbytes for frame in message.frames)
        if isinstance(message, Push) and message.shared:
            # Nothing travels: the server reads the gradient in place, and so does the worker with the new value.
            there = sum(tensor.nbytes for tensor in message.tensors)
            self.received[message.rank] += there
            self.sent[message.rank] += there

    def gave(self, rank: int, message: Message) -> None:
        """Count a reply that was sent."""
        self.sent[rank] += sum(memoryview(frame).nbytes for frame in message.frames)

    def report(self) -> Traffic | None:
        """What is to be told; None as long as nothing has been exchanged."""
        if not any(self.received) and not any(self.sent):
            return None
        return Traffic(received=tuple(self.received), sent=tuple(self.sent))
