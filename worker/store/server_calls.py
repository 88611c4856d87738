"""What concerns all servers of a store, not single keys: calls that are answered by number, and agreement on them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from ...common.codec import Message
from ...common.errors import DataError
from .flight import Flight
from .job_session import JobSession
from .requests import CallRequest

_FIRST_OF_ALL = 1 << 40  # priority: callers wait for calls, and these carry no data that could hold others up
_SEQUENCE = count(1)  # the process's, as servers match the answers of all its stores by it


class ServerCalls:
    """Calls to the servers on behalf of the store whose ordinal is `fit`. Each call has a flight of its own."""

    def __init__(self, session: JobSession, fit: int) -> None:
        self.session, self.fit = session, fit

    @property
    def me(self) -> dict[str, Any]:
        """What every request to a server says of its sender: job, rank, incarnation and fit."""
        link = self.session.transport.link
        return {"job": link.env.job_id, "rank": self.session.rank, "incarnation": link.incarnation, "fit": self.fit}

    def next_seq(self) -> int:
        """A number for a message that is answered by number."""
        return next(_SEQUENCE)

    def ask_all(self, make: Callable[..., Message], **fields: Any) -> list[Any]:
        """Send `make(**fields)` (a class of messages with a `seq`) to every server; their answers in rank order.

        Blocks until all have answered; errors as of `ask`.
        """
        servers = range(self.session.num_servers)
        return self.ask((server, make(**self.me, seq=self.next_seq(), **fields)) for server in servers)

    def ask(self, messages: Iterable[tuple[int, Message]]) -> list[Any]:
        """Say each message, which has a `seq`, to its server, wait, and give the answers in the same order.

        Raises RemoteError if a server refuses one, PeerLost or JobError if the job is over.
        """
        # A flight of its own, so that a refused call does not fail the pushes and pulls of the store.
        flight, answers = Flight(), {}  # type: tuple[Flight, dict[int, Message]]
        calls = [
            (server, CallRequest(flight, message, answers, priority=_FIRST_OF_ALL)) for server, message in messages
        ]
        transport = self.session.transport
        try:
            with self.session.saying():
                flight.launch(len(calls))
                transport.submit(calls)
                flight.wait()
        finally:  # else the transport would look after a flight for each call that was ever made
            transport.retire(flight)
        return [answers[call.asked.seq] for _, call in calls]

    def agree(self, what: str, said: str, action: Callable[[], None]) -> None:
        """Rank 0 acts; then all workers wait for each other and compare what they were asked to do.

        `what` is one word, `said` describes the action in full. Raises DataError if another worker was asked for
        something else, and what `action` raises.
        """
        if self.session.rank == 0:
            action()
        # The collective is also the barrier: nobody goes on before the servers have done what rank 0 asked for. The
        # digest is of the whole text and is what gets compared; the text, cut short, is for the error message.
        digest = hashlib.sha256(said.encode()).hexdigest()[:16]
        purpose = f"key-value store: {what} of store {self.fit}"
        everyone = self.session.gather(f"{what} {digest} {said[:200]}".encode(), purpose)
        for rank, other in enumerate(everyone):
            if other.split(b" ")[:2] != everyone[0].split(b" ")[:2]:
                raise DataError(
                    f"workers 0 and {rank} do not do the same to their key-value store {self.fit}",
                    expected=_readable(everyone[0]),
                    got=_readable(other),
                    remedy="All workers must create stores, set optimizers and initialise keys alike and in one order",
                )


def _readable(said: bytes) -> str:
    what, _, rest = said.decode("utf-8", "replace").partition(" ")
    return f"{what} {rest.partition(' ')[2]}"
