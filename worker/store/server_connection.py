"""A worker's connection to one server and what is queued for it. Only the transport thread touches it."""

from __future__ import annotations

import zmq

from ...common.channel import QUEUED_OUT
from ...common.curve import keys_for
from ...common.errors import JobError
from ...common.hearing import Hearing
from ...common.job import JobEnv
from ...common.network import Network
from .outbox import Outbox


class Reach:
    """How long there has been no connection, in seconds of the time that this process has been running."""

    def __init__(self, limit: float) -> None:
        self.limit, self.missed = limit, 0.0
        self._looked: float | None = None
        self._again = 0.0

    def is_overdue(self, connected: bool, now: float) -> bool:
        """Whether that is longer than `limit`; true once a second at most. To be called at least twice a second."""
        # A longer gap means that this process was stopped or starved: nobody knows what the network did meanwhile.
        gap = 0.0 if self._looked is None else min(now - self._looked, 0.5)
        self._looked = now
        self.missed = 0.0 if connected else self.missed + gap
        if self.missed < self.limit or now < self._again:
            return False
        self._again = now + min(1.0, self.limit / 4)
        return True


class ServerLine:
    """One server's connection and the outbox of requests for it.

    `env` is the job's, whose `lease` bounds how long the server may be out of reach.
    """

    def __init__(self, network: Network, env: JobEnv, endpoint: str, outbox: Outbox, identity: bytes) -> None:
        keys = keys_for(env, endpoint)
        self.outbox = outbox
        self.hearing = Hearing(f"the server at {endpoint}")
        self.reach = Reach(env.lease / 2)
        try:
            # Few messages may queue inside ZeroMQ, where urgent ones could not overtake them: they wait in `outbox`.
            self.connection = network.connect(endpoint, identity, keys, lost_after=env.lease / 3, queued=QUEUED_OUT)
        except zmq.ZMQError as error:
            raise JobError(
                f"a server cannot be reached at {endpoint!r}, where it says that it listens ({error.strerror})",
                remedy="DMLC_NODE_HOST or DMLC_INTERFACE says at which address of its host a server listens",
            ) from None
        self.watch = self.connection.watch

    def read(self) -> None:
        """Take all answers; if the connection is a new one, say again what is unanswered.

        Raises JobError if the server refuses the connection, WireError if an answer is malformed, and RemoteError if
        the server refuses the worker as a whole.
        """
        # The first connection loses nothing, as there was none before: only one more than that is a new one.
        first = self.watch.connections == 0
        if self.watch.drain() > first:
            self.outbox.again()
        while (frames := self.connection.receive()) is not None:
            message = self.hearing.understand(frames)
            if message is not None:
                self.outbox.answer(message)

    def write(self) -> None:
        """Send the most urgent requests until nothing is left or the socket's queue is full."""
        while self.outbox:
            requests = self.outbox.take()
            if not self.connection.send(self.outbox.message(requests)):
                self.outbox.put_back(requests)
                return

    def out_of_reach(self, now: float) -> bool:
        """Whether it is time to tell that there is no connection to this server, and has been none for too long."""
        return self.reach.is_overdue(self.watch.connected, now)

    def close(self) -> None:
        """Give the connection back."""
        self.connection.close()
