"""A server's or worker's connection to the scheduler: joining, signs of life, and news of the job's end.

It owns one Connection, used by the owner's thread only, and a `Pulse` with a thread of its own. Only `join` and `leave`
block; otherwise the owner's loop polls `sockets()`, then calls `receive` and `check`. Tests replace clock and network.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import replace

from .address import is_number, scheduler_endpoint
from .channel import Socket
from .codec import Message
from .curve import keys_for
from .errors import JobError, PeerLost, RemoteError
from .hearing import Hearing
from .job import JobEnv
from .messages import Abort, Error, Hello, Leave, Left, Ping, Registered, Welcome
from .network import Network
from .pulse import Pulse
from .wire import WireError, cut

HELLO_AGAIN = 1.0  # seconds until an unanswered hello is repeated; the scheduler may not have been started yet


class Link:
    """One process's membership of a job.

    `endpoint` is where a server is bound, None for a worker. `incarnation` tells this process from any other that ever
    has its rank. Raises JobError if the scheduler's address cannot be resolved or its keys are missing.
    """

    def __init__(
        self,
        env: JobEnv,
        network: Network,
        endpoint: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        incarnation: str | None = None,
    ) -> None:
        self.env, self.clock = env, clock
        self.incarnation = incarnation or secrets.token_hex(16)
        self.identity = f"{env.role}-{self.incarnation}".encode()
        self.root = scheduler_endpoint(env)
        self.keys = keys_for(env, self.root)
        self.network = network
        # With `immediate` a lost connection takes the messages that have come but not been read along with it: the last
        # one is often the `abort` or `left` of a scheduler that has just ended.
        self.connection = network.connect(self.root, self.identity, self.keys, immediate=False)
        self.watch = self.connection.watch
        self.hearing = Hearing(f"the scheduler at {self.root}")
        self.hello = Hello(
            job=env.job_id,
            role=env.role,
            rank=env.rank,
            incarnation=self.incarnation,
            host=cut(socket.gethostname(), 255),
            pid=os.getpid(),
            endpoint=endpoint,
            workers=env.num_workers,
            servers=env.num_servers,
            generation=env.generation,
        )
        self.pulse: Pulse | None = None
        self.welcome: Welcome | None = None
        self.lease = env.lease
        self.registered = False
        self._scheduler: str | None = None  # the name of the one that has let us in
        self._heard = self._looked = clock()  # when the scheduler last said something, and when we last looked
        self._next_hello, self._deadline = self._looked, self._looked + env.start_timeout
        # On which connection we said hello and asked to leave: what was said on an earlier one may be lost.
        self._greeted, self._asked = 0, -1
        self._early: list[Message] = []  # what came together with the welcome, for the first `receive` after `join`

    def sockets(self) -> list[Socket]:
        """The sockets that the owner polls for reading."""
        return self.connection.sockets()

    def join(self) -> Welcome:
        """Say hello until the scheduler answers, then wait for the welcome that comes when everyone is there.

        Raises JobError if the scheduler refuses us or does not answer within `start_timeout` seconds of this link's
        making (how long it then waits for the others is its own business), and PeerLost if the job is aborted or the
        scheduler falls silent.
        """
        while (welcome := self.try_to_join()) is None:
            self.connection.poll(max(0.01, min(self._next_hello - self.clock(), 0.2)))
        return welcome

    def try_to_join(self) -> Welcome | None:
        """One look of `join`, which waits for nothing: the welcome if it has come."""
        self._early = self.receive()
        self.check()
        now = self.clock()
        if not self.registered:  # also with the welcome in hand: the answer to the hello before it may have been lost
            if now >= self._deadline:
                raise self._no_answer()
            if now >= self._next_hello:
                self._next_hello = now + (HELLO_AGAIN if self._greet() else 0.05)  # soon, if it was not sent
        return self.welcome if self.registered else None

    def _no_answer(self) -> JobError:
        name = self.env.root_uri
        own = "" if is_number(name) else f", and does not take its own name {name} for 127.0.1.1 (see its /etc/hosts)"
        return JobError(
            f"no answer from the scheduler at {self.root} for {self.env.start_timeout:g} s",
            remedy="Check DMLC_PS_ROOT_URI and DMLC_PS_ROOT_PORT, that you run a scheduler of this version there"
            f"{own}, and that PUSHGRAD_JOB_DIR, PUSHGRAD_KEYS and PUSHGRAD_INSECURE are set alike for every process; "
            "PUSHGRAD_START_TIMEOUT sets the time limit in seconds",
        )

    def send(self, message: Message) -> bool:
        """Queue a message for the scheduler without waiting; False if that is not possible."""
        return self.connection.send(message)

    def receive(self) -> list[Message]:
        """All messages that have come from the scheduler, except those that concern the link itself.

        Raises PeerLost on `abort` and if the scheduler is another one, JobError if it refuses us. What is no valid
        message is dropped.
        """
        self.watch.drain()
        found, self._early = self._early, []
        while (frames := self.connection.receive()) is not None:
            self._heard = self.clock()
            item = self.hearing.understand(frames)
            if item is None:
                self._check_version()
            elif not self._handled(item):
                found.append(item)
        # Connected anew: messages to us may have been lost with the old connection. The answer to a hello repeats the
        # lasting ones (welcome, gone, stop), and everything here may be received twice. Asked for last: that we are
        # registered may be among what has come by the old connection.
        if self.registered and self.watch.connections != self._greeted:
            self._greet()
        return found

    def _greet(self) -> bool:
        hello = self.hello if self.welcome is None else replace(self.hello, scheduler=self._scheduler)
        if sent := self.send(hello):
            self._greeted = max(1, self.watch.connections)  # what is said before there is any goes with the first
        return sent

    def _check_version(self) -> None:
        """JobError if what answers our hello speaks another version: nothing that it says can ever be read."""
        problem = self.hearing.problem
        if problem and problem.code == "version" and str(problem.got).isdecimal() and not self.registered:
            raise JobError(
                f"the scheduler at {self.root} speaks another version of the protocol",
                expected=problem.expected,
                got=problem.got,
                remedy="Install the same version of pushgrad on every host of the job",
            )

    def _handled(self, item: Message) -> bool:
        if isinstance(item, Ping):  # the pulse answers, too; that this loop does shows that Python runs here
            self.send(item)
            return True
        if isinstance(item, Registered):
            self._registered(item)
            return True
        if isinstance(item, Welcome):
            self._welcomed(item)
            return True
        if isinstance(item, Abort):
            self.send(Leave())  # confirms it: the scheduler ends as soon as everyone knows
            raise PeerLost(item.sentence)
        if isinstance(item, Error) and self.welcome is not None and item.code in ("restarted", "generation"):
            raise PeerLost(f"the scheduler at {self.root} is another one than at the start: {remote(item)}")
        if isinstance(item, Error) and self.welcome is None:
            raise refused(item)
        return False

    def _welcomed(self, item: Welcome) -> None:
        places = item.workers if self.env.role == "worker" else len(item.servers)
        if item.rank < places:
            self.welcome = self.welcome or item
        else:
            self.hearing.drop(WireError("malformed", "welcome: rank", expected=f"below {places}", got=item.rank))

    def _registered(self, item: Registered) -> None:
        # The scheduler's lease counts, not the one in this process's environment. The pulse starts only now, as nobody
        # pings a process that is not registered.
        self.registered, self.lease = True, item.lease
        if self.welcome is None:
            self._scheduler = item.scheduler
        if self.pulse is None:
            self.pulse = self.network.pulse(self.root, self.identity, self.keys)

    def check(self) -> None:
        """Raise PeerLost if the scheduler has been silent for a lease. Call it often, and after `receive`.

        After, because what has arrived but has not been read would count as silence.
        """
        now = self.clock()
        # A long gap between two calls means that this process was stopped or starved. The scheduler's silence in that
        # time cannot be known, so it is not counted.
        if now - self._looked > self.lease / 2:
            self._heard = min(now, self._heard + now - self._looked)  # what `receive` has just read counts by itself
        self._looked = now
        if self.registered and now - self._heard > self.lease:
            raise PeerLost(f"the scheduler at {self.root} is lost: no sign of life for {self.lease:g} s")

    def leave(self) -> None:
        """Leave the job: say so and wait, half a lease at most, until the scheduler has noted it.

        Raises what `receive` raises. A scheduler that does not answer is not an error: the work is done.
        """
        deadline = self.clock() + self.lease / 2
        while not self.try_to_leave() and self.clock() < deadline:
            self.connection.poll(0.02)

    def try_to_leave(self) -> bool:
        """One look of `leave`, which waits for nothing: whether the scheduler has let us go."""
        if self._asked != self.watch.connections and self.send(Leave()):
            self._asked = self.watch.connections
        return any(isinstance(item, Left) for item in self.receive())

    def close(self, linger: float = 0.0) -> None:
        """Close the connection and end the pulse; messages that are not sent yet get `linger` seconds."""
        self.connection.close(linger)
        if self.pulse is not None:
            self.pulse.close()


def refused(item: Error) -> JobError | RemoteError:
    """The exception for a refusal by the scheduler before the welcome: a JobError, as the environment is wrong."""
    return JobError(
        f"the scheduler refuses this process: {item.text}",
        expected=item.expected,
        got=item.got,
        remedy=item.remedy,
    )


def remote(item: Error) -> RemoteError:
    """The exception for any other refusal of a request."""
    return RemoteError(item.code, item.text, key=item.key, expected=item.expected, got=item.got, remedy=item.remedy)
