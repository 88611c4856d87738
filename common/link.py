"""A server's or worker's line to the scheduler: joining, signs of life, and bad news.

It owns one DEALER and a `Pulse`. Nothing here blocks but `join`; the owner's loop polls `sockets()`, then calls
`receive` and `check`. A clock can be put in for tests.
"""

from __future__ import annotations

import os
import secrets
import socket as network
import time
from collections.abc import Callable

import zmq

from .address import resolve, tcp
from .channel import Context, Socket, Watch, dealer, receive, send
from .codec import Message, decode, encode
from .curve import keys_for
from .errors import JobError, PeerLost, RemoteError
from .job import JobEnv
from .messages import Abort, Error, Hello, Leave, Left, Ping, Registered, Welcome
from .pulse import Pulse

HELLO_AGAIN = 1.0  # seconds: a hello that has not been answered is said again


class Link:
    """One process's membership of a job."""

    def __init__(
        self,
        env: JobEnv,
        context: Context,
        endpoint: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        incarnation: str | None = None,
    ) -> None:
        self.env, self.clock = env, clock
        self.incarnation = incarnation or secrets.token_hex(8)
        self.identity = f"{env.role}-{self.incarnation}".encode()
        self.root = tcp(resolve(env.root_uri, "DMLC_PS_ROOT_URI"), env.root_port)
        self.keys = keys_for(env, self.root)
        self.socket: Socket = dealer(context, self.root, self.identity, self.keys)
        self.socket.immediate = False  # else unread messages, such as the last one, go with the connection
        self.watch = Watch(self.socket, self.root, self.keys is not None)
        self.socket.connect(self.root)
        self.hello = Hello(
            job=env.job_id,
            role=env.role,
            rank=env.rank,
            incarnation=self.incarnation,
            host=network.gethostname()[:255],
            pid=os.getpid(),
            endpoint=endpoint,
            workers=env.num_workers,
            servers=env.num_servers,
        )
        self.pulse: Pulse | None = None
        self.welcome: Welcome | None = None
        self.lease = env.lease
        self.registered = False
        self._heard = self._looked = clock()
        self._early: list[Message] = []  # what came together with the welcome

    def sockets(self) -> list[Socket]:
        """What to poll for reading."""
        return [self.socket, self.watch.monitor]

    def join(self) -> Welcome:
        """Say hello until the scheduler has everyone and welcomes us.

        JobError if it refuses us or does not answer within the start-up time limit; PeerLost if the job is aborted.
        """
        deadline = self.clock() + self.env.start_timeout
        again = self.clock()
        poller = zmq.Poller()
        for item in self.sockets():
            poller.register(item, zmq.POLLIN)
        while self.welcome is None:
            now = self.clock()
            if now >= deadline and not self.registered:
                raise self._no_answer()
            if now >= again and not self.registered:
                again = now + (HELLO_AGAIN if self.send(self.hello) else 0.05)
            poller.poll(int(1000 * max(0.01, min(again - now, 0.2))))
            self._early = self.receive()
            self.check()
        return self.welcome

    def _no_answer(self) -> JobError:
        return JobError(
            f"no answer from the scheduler at {self.root} for {self.env.start_timeout:g} s",
            remedy="Check DMLC_PS_ROOT_URI and DMLC_PS_ROOT_PORT, and that a scheduler of this version runs there; "
            "PUSHGRAD_START_TIMEOUT sets the time limit in seconds",
        )

    def send(self, message: Message) -> bool:
        """Send to the scheduler without waiting; False if it is not connected."""
        return send(self.socket, encode(message))

    def receive(self) -> list[Message]:
        """Everything that has come from the scheduler, less what concerns the link itself.

        PeerLost on `abort`, JobError if we are refused.
        """
        if self.watch.drain() and self.registered:
            self.send(self.hello)  # connected anew: make the scheduler answer what it may have said meanwhile
        found, self._early = self._early, []
        while (frames := receive(self.socket)) is not None:
            self._heard = self.clock()
            item = decode(frames)
            if not self._handled(item):
                found.append(item)
        return found

    def _handled(self, item: Message) -> bool:
        if isinstance(item, Ping):
            return True
        if isinstance(item, Registered):
            self._registered(item)
            return True
        if isinstance(item, Welcome):
            self.welcome = self.welcome or item
            return True
        if isinstance(item, Abort):
            self.send(Leave())  # so that the scheduler need not wait for us
            raise PeerLost(describe(item))
        if isinstance(item, Error) and self.welcome is None:
            raise refused(item)
        return False

    def _registered(self, item: Registered) -> None:
        self.registered, self.lease = True, item.lease
        if self.pulse is None:
            self.pulse = Pulse(self.root, self.identity, self.keys)

    def check(self) -> None:
        """PeerLost if the scheduler has been silent for a lease. Call it often, after `receive`."""
        now = self.clock()
        if now - self._looked > self.lease / 2:
            self._heard += now - self._looked  # we ourselves stood still: that is no one else's silence
        self._looked = now
        if self.registered and now - self._heard > self.lease:
            raise PeerLost(f"the scheduler at {self.root} is lost: no sign of life for {self.lease:g} s")

    def leave(self) -> None:
        """Orderly end: ask, and wait (half a lease at most) until the scheduler has noted it."""
        deadline = self.clock() + self.lease / 2
        asked = False
        while self.clock() < deadline:
            asked = asked or self.send(Leave())
            self.socket.poll(20)
            if any(isinstance(item, Left) for item in self.receive()):
                return

    def close(self, linger: float = 0.0) -> None:
        """Give the sockets back; unsent messages get `linger` seconds."""
        self.socket.disable_monitor()
        self.watch.monitor.close(0)
        self.socket.close(int(1000 * linger))
        if self.pulse is not None:
            self.pulse.close()


def describe(item: Abort) -> str:
    """Why the job was aborted, in one line: which process, where, and what was wrong."""
    who = item.role if item.rank is None else f"{item.role} {item.rank}"
    return f"the job ends because of {who} on {item.host}: {item.reason}"


def refused(item: Error) -> JobError | RemoteError:
    """A refusal by the scheduler before the welcome, as an error that names the field."""
    return JobError(
        f"the scheduler refuses this process: {item.text}",
        expected=item.expected,
        got=item.got,
        remedy=item.remedy,
    )


def remote(item: Error) -> RemoteError:
    """Any other refusal as an exception."""
    return RemoteError(item.code, item.text, key=item.key, expected=item.expected, got=item.got, remedy=item.remedy)
