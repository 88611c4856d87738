"""The one thread of a worker that owns its sockets: requests in from any thread, answers out to whoever waits.

Everything that may take time on the wire goes through here, so the computing threads only ever append to a list.
`_lock` guards what both sides touch (inbox, flights, letters, collective); lines and link belong to the thread alone.
Nobody waits for a flight while holding it.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

import zmq

from ...common.channel import Socket
from ...common.codec import Message
from ...common.errors import JobError, PeerLost
from ...common.link import Link, remote
from ...common.messages import Error, Fail, Gather, Gathered, Leave, Left, Unreachable, Welcome
from ...common.network import Network
from ...common.wire import Frame, WireError, cut
from .bell import Bell
from .flight import Flight
from .outbox import Outbox
from .requests import Request
from .server_connection import ServerLine
from .standing import Standings

POLL_IN, POLL_BOTH = int(zmq.POLLIN), int(zmq.POLLIN | zmq.POLLOUT)


class Transport(threading.Thread):
    """Runs from the welcome to the orderly leave, or until the job is lost. `failure` is then why, else None.

    `bell` wakes the thread.
    """

    def __init__(self, link: Link, network: Network, welcome: Welcome, bell: Bell | None = None) -> None:
        super().__init__(name="pushgrad-transport", daemon=True)
        self.link, self.network, self.workers = link, network, welcome.workers
        on_one_host = all(endpoint.startswith("ipc://") for endpoint, _ in welcome.servers)
        self.shares_memory = on_one_host and os.environ.get("PUSHGRAD_TRANSPORT") != "ipc"
        env = replace(link.env, lease=link.lease)  # the scheduler's lease, as everywhere
        self.lines = [
            ServerLine(
                network,
                env,
                endpoint,
                Outbox(link.env.job_id, welcome.rank, link.incarnation),
                f"worker-{welcome.rank}-{link.incarnation}".encode(),
            )
            for endpoint, _ in welcome.servers
        ]
        self.failure: BaseException | None = None
        self.standings = Standings(link.lease, link.clock)
        self._lock = threading.Lock()
        self._inbox: deque[tuple[int, Request]] = deque()
        self._flights: set[Flight] = set()
        self._letters: deque[Message] = deque()  # to the scheduler
        self._collective: tuple[Gather, Flight, list[tuple[Frame, ...]]] | None = None
        self._left, self._over = Flight(), threading.Event()  # the scheduler let us go; the thread is done
        self._bell = bell or Bell()
        self._pid = os.getpid()
        self._stopping = False
        self._asked_to_leave = self._said_goodbye = False
        self._greeted = link.watch.connections

    # ---- any thread

    def submit(self, requests: Iterable[tuple[int, Request]]) -> None:
        """Queue (server, request) pairs. Their flights must count them already: an answer may come before this returns.

        Raises what ended the job (PeerLost, JobError, RemoteError), and JobError in a forked child.
        """
        with self._lock:
            self._check()
            for server, request in requests:
                self._flights.add(request.flight.whole)
                self._inbox.append((server, request))
        self._bell.ring()

    def retire(self, flight: Flight) -> None:
        """Nothing will be asked on behalf of `flight` any more, so its failure need not be looked for."""
        with self._lock:
            # One that has failed may have requests left that nobody has dropped yet: `_forget_failed` does, next time.
            if flight.failure is None:
                self._flights.discard(flight)

    def gather(self, n: int, payload: bytes, what: str) -> tuple[Frame, ...]:
        """Contribute to collective n, which is for `what`, and wait for all parts, in rank order. One at a time.

        Raises RemoteError if the scheduler refuses it, and what `submit` raises.
        """
        flight, result = Flight(), []  # type: tuple[Flight, list[tuple[Frame, ...]]]
        flight.launch()
        with self._lock:
            self._check()
            self._flights.add(flight)
            self._collective = (Gather(n=n, what=what, frames=(payload,)), flight, result)
            self._letters.append(self._collective[0])
        self._bell.ring()
        try:
            flight.wait()
        finally:
            self.retire(flight)
        return result[0]

    def post(self, message: Message) -> None:
        """Send a one-way message to the scheduler as soon as possible; it is dropped if the job is over."""
        with self._lock:
            if self.failure is None:
                self._letters.append(message)
        self._bell.ring()

    def leave(self) -> None:
        """Orderly end: wait for every answer that is due, tell the scheduler, end the thread. Errors as of `submit`."""
        with self._lock:
            self._check()
            self._flights.add(self._left)
            self._left.launch()
            self._stopping = True
        self._bell.ring()
        self._left.wait()
        self._over.wait(5.0)  # the scheduler has let us go: whether sockets close in time is not worth an error
        self.failure = JobError("this process has left its job", remedy="A worker joins a job once")

    def fail(self, reason: str, timeout: float) -> None:
        """Tell the scheduler that this process fails; returns when the job is aborted, or after `timeout` seconds."""
        self.post(Fail(reason=cut(reason, 1000)))
        self._over.wait(timeout)

    def _check(self) -> None:
        if os.getpid() != self._pid:
            raise JobError(
                "a forked child of a worker cannot use the worker's place in the job",
                remedy="Use the key-value store and barriers in the worker's own process only",
            )
        if self.failure is not None:
            raise self.failure

    # ---- this thread

    def run(self) -> None:
        """Poll and turn until the end; whatever goes wrong is handed to everyone who waits."""
        try:
            poller = zmq.Poller()
            for item in self._readable():
                poller.register(item, zmq.POLLIN)
            while self.turn():
                for line in self.lines:
                    # Without something to send, a socket that takes messages would end every poll at once.
                    poller.modify(line.connection.socket, POLL_BOTH if line.outbox else POLL_IN)
                poller.poll(int(1000 * self.rest))
            self.end(None)
        except BaseException as error:
            self.end(error)

    def _readable(self) -> list[Socket | int]:
        sockets: list[Socket | int] = [self._bell.fd, *self.link.sockets()]
        for line in self.lines:
            sockets += line.connection.sockets()
        return sockets

    @property
    def rest(self) -> float:
        """Seconds after which `turn` is due even if nobody rings and no message comes."""
        return 0.02 if self._letters else 0.2  # whether the scheduler takes letters is not polled for

    def turn(self) -> bool:
        """Take in and send what can be, without waiting. False once the scheduler has let this worker go."""
        self._bell.hush()  # before the look: no ringing is lost
        self._take_in()
        for line in self.lines:
            line.read()  # before writing: answers let further requests leave
        for message in self.link.receive():
            self._heed(message)
        self._check_scheduler()
        self._report()
        self._forget_failed()
        for line in self.lines:
            line.write()
        self._send_letters()
        return not self._said_goodbye

    def end(self, error: BaseException | None) -> None:
        """Nothing will be sent or received any more; `error`, if that is why, is handed to everyone who waits."""
        try:
            if error is not None:
                self._give_up(error)
        finally:
            self._close()
            self._over.set()

    def _report(self) -> None:
        """Tell the scheduler which servers cannot be reached and where this worker's threads stand."""
        now = self.link.clock()
        for rank, line in enumerate(self.lines):
            if line.out_of_reach(now):
                self.post(Unreachable(server=rank))
        standing = self.standings.look(now, lambda: (item for line in self.lines for item in line.outbox.pending()))
        if standing is not None:
            self.post(standing)

    def _take_in(self) -> None:
        with self._lock:
            fresh, self._inbox = self._inbox, deque()
        for server, request in fresh:
            if request.flight.failure is None:  # else nobody waits for it any more
                self.lines[server].outbox.add(request)

    def _forget_failed(self) -> None:
        with self._lock:
            failed = [flight for flight in self._flights if flight.failure is not None]
            self._flights.difference_update(failed)
        for flight in failed:
            for line in self.lines:
                line.outbox.forget(flight)

    def _send_letters(self) -> None:
        with self._lock:
            if self.link.watch.connections != self._greeted:  # connected anew: what went out may not have arrived
                self._greeted = self.link.watch.connections
                self._letters.extend([Leave()] if self._asked_to_leave else [])
                self._letters.extend([self._collective[0]] if self._collective else [])
                self._letters.append(self.standings.said)
            # `leave` says that no request will follow, so it waits for what is queued and for all answers.
            quiet = self._stopping and not self._inbox and all(line.outbox.idle for line in self.lines)
            if quiet and not self._asked_to_leave:
                self._asked_to_leave = True
                self._letters.append(Leave())
            while self._letters and self.link.send(self._letters[0]):
                self._letters.popleft()

    def _check_scheduler(self) -> None:
        try:
            self.link.check()
        except PeerLost:
            # The answer may have been lost with the connection of a scheduler that has ended since: the work is done.
            if not self._asked_to_leave:
                raise
            self._part()

    def _part(self) -> None:
        self._said_goodbye = True
        self._left.land()

    def _heed(self, message: Message) -> None:
        if isinstance(message, Left):
            self._part()
        elif isinstance(message, Gathered | Error):
            self._collected(message)

    def _collected(self, message: Gathered | Error) -> None:
        if isinstance(message, Gathered) and len(message.sizes) != self.workers:
            self.link.hearing.drop(WireError("malformed", "gathered", expected=self.workers, got=len(message.sizes)))
            return
        with self._lock:
            if self._collective is None or self._collective[0].n != message.n:
                return  # answered before: we have contributed twice, after a new connection
            _, flight, result = self._collective
            self._collective = None
        if isinstance(message, Gathered):
            result.append(message.parts())
            flight.land()
        else:
            flight.fail(remote(message))

    def _give_up(self, error: BaseException) -> None:
        if not isinstance(error, PeerLost):  # then the scheduler has said so, or is itself the one that is lost
            self.link.send(Fail(reason=cut(f"{type(error).__name__}: {error}", 1000)))
        with self._lock:  # both at once: whoever submits is either refused or among the flights that fail
            self.failure = error
            flights, self._flights = self._flights, set()
        for flight in flights:
            flight.fail(error)

    def _close(self) -> None:
        for line in self.lines:
            line.close()
        self.link.close(linger=1.0)
        self.network.close()
