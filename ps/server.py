"""A server's process: one ROUTER for the workers, one Link to the scheduler, around the `Service` state machine.

One thread does it all, so there are no locks and requests take effect one after the other; the update of a long range
is shared out to other threads, which it waits for (threads.py).
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from collections.abc import Callable

import zmq

from ..common.address import data_endpoint
from ..common.channel import QUEUED_OUT
from ..common.codec import Message, decode, encode
from ..common.curve import keys_for
from ..common.job import JobEnv
from ..common.link import Link
from ..common.messages import Fail, Gone, Report, Stalled, Stop, Welcome
from ..common.network import Network
from ..common.private_folder import remove_socket
from ..common.requests import FromWorker, Pull, Push
from ..common.wire import RANGE_ELEMENTS, TEXT_BYTES, Frame, WireError, cut
from .answers import Reply
from .listener import LOOK, Listener
from .memory import keep_freed_memory
from .refusal import refusal
from .replies import Replies
from .service import Service
from .traffic import Counter
from .update import kernels

BUSY_ROUNDS = 8  # messages taken in before replies go out and the scheduler is heard, however many are waiting
STALL = 1.0  # seconds after which, and at which intervals, the scheduler learns of a step that waits; and of traffic
RETRY = 1  # milliseconds until a worker whose queue was full is tried again: a ROUTER does not tell when it has room


class Server:
    """One server of the job, at a listener that is bound, after its link was welcomed. `turn` does what is due."""

    def __init__(
        self, listener: Listener, link: Link, welcome: Welcome, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.listener, self.link, self.clock = listener, link, clock
        self.rank = welcome.rank
        self.service = Service(link.env.job_id, welcome.marks)
        self.replies = [Replies(self.service) for _ in welcome.marks]
        self.traffic = Counter(len(welcome.marks))
        self.identities: list[bytes | None] = [None] * len(welcome.marks)
        self.patience = link.lease / 3
        self.next_look, self.next_word = clock() + self.patience, clock() + STALL
        self.blocked = False  # whether a worker could not take all that there is for it

    def turn(self) -> bool:
        """Take in what has come, answer, and do what is due by time, without waiting. False once the job is over.

        Raises PeerLost if the job is aborted or the scheduler is lost, JobError if the scheduler refuses this server.
        """
        for _ in range(BUSY_ROUNDS):
            found = self.listener.receive()
            if found is None:
                break
            self._take(*found)
        if self._heed(self.link.receive()):
            return False
        self.link.check()  # after `receive`, see there
        self.blocked = not self._flush_all()
        self._report_waiting()
        return True

    def tend(self) -> bool:
        """Look after the listener. Whether peers held so much that its socket is another one now."""
        wrong = self.listener.tend(lambda: self.service.nbytes, self.clock())
        if wrong:
            print(f"pushgrad server {self.rank}: {wrong}", file=sys.stderr, flush=True)
        return bool(wrong)

    def _take(self, identity: bytes, frames: list[Frame]) -> None:
        message: Message | None = None
        try:
            message = decode(frames)
            replies = self.service.handle(message, self.clock())
        except WireError as error:
            self.listener.send(identity, encode(refusal(error, **_request(message))))
            return
        assert isinstance(message, FromWorker)
        # Only now: `handle` has checked that the sender is the worker that it claims to be. A worker that reconnects
        # under another identity gets its answers there from its first request on.
        self.identities[message.rank] = identity
        self.traffic.took(message)
        self._put(replies)

    def _put(self, replies: list[Reply]) -> None:
        for reply in replies:
            self.replies[reply.rank].add(reply)

    def _heed(self, messages: list[Message]) -> bool:
        """Take what the scheduler says. Returns whether `stop` was among it."""
        for message in messages:
            if isinstance(message, Gone):
                self._put(self.service.worker_left(message.rank))
        return any(isinstance(message, Stop) for message in messages)

    def _flush_all(self) -> bool:
        """Send what can be sent. Returns whether the workers could take all of it."""
        sent = [self._flush(rank) for rank in range(len(self.replies))]
        return all(sent)

    def _flush(self, rank: int) -> bool:
        identity = self.identities[rank]
        if identity is None or not self.replies[rank]:
            return True
        if rank in self.service.gone:
            self.replies[rank] = Replies(self.service)
            return True
        return self.replies[rank].flush(lambda message: self._send(rank, identity, message))

    def _send(self, rank: int, identity: bytes, message: Message) -> bool:
        # Copied whatever the size: weights are updated in place, and the next update may come while ZeroMQ still sends.
        sent = self.listener.send(identity, encode(message), copy_below=1 << 62)
        if sent:
            self.traffic.gave(rank, message)
        return sent

    def _report_waiting(self) -> None:
        now = self.clock()
        if now >= self.next_word:
            self.next_word = now + STALL
            if steps := self.service.stalled(now, STALL):
                self.link.send(Stalled(steps=tuple(steps)))
            if told := self.traffic.report():
                self.link.send(told)
        if now < self.next_look:
            return
        self.next_look = now + self.patience
        for line in self.service.waits(now, self.patience):
            self.link.send(Report(text=cut(line, TEXT_BYTES)))  # the scheduler says it, once for the whole job


def _request(message: Message | None) -> dict[str, object]:
    """The fields that name a refused request in the error."""
    if not isinstance(message, FromWorker):
        return {}
    found: dict[str, object] = {"fit": message.fit, "seq": getattr(message, "seq", None)}
    if isinstance(message, Push | Pull):
        found["n"] = message.n
    return found


def run(env: JobEnv) -> int:
    """Run a server of the job until that is over, and return the exit code 0.

    Raises JobError if it cannot listen, has no keys or is refused by the scheduler, PeerLost if the job is aborted or
    the scheduler is lost.
    """
    keep_freed_memory()  # before the first large message
    network = Network(zmq.Context(io_threads=2))
    endpoint, variable = data_endpoint(env, secrets.token_hex(4), os.environ.get("PUSHGRAD_TRANSPORT"))
    limits = {"queued": QUEUED_OUT, "frame_bytes": 8 * RANGE_ELEMENTS}  # a range of float64 is the longest frame
    listener = Listener(network.context, endpoint, variable, keys_for(env, endpoint), env.num_workers, **limits)
    link = Link(env, network, listener.endpoint)
    # Importing numba takes long enough to be noticed: let it happen while the workers start.
    threading.Thread(target=kernels, name="pushgrad-warm-up", daemon=True).start()
    server = Server(listener, link, link.join())
    try:
        _serve(server)
    except Exception as error:  # not PeerLost, which is a SystemExit: the scheduler knows of that already
        link.send(Fail(reason=cut(f"{type(error).__name__}: {error}", 1000)))
        raise
    finally:
        # Half a second for the last acknowledgements, and for `leave` or `fail`.
        listener.close(0.5)
        link.close(linger=0.5)
        network.close()
        remove_socket(listener.endpoint)
    return 0


def _serve(server: Server) -> None:
    poller = _poller(server)
    while server.turn():
        if server.tend():
            poller = _poller(server)
        poller.poll(RETRY if server.blocked else int(1000 * LOOK))
    server.link.leave()


def _poller(server: Server) -> zmq.Poller:
    poller = zmq.Poller()
    for item in (server.listener.socket, *server.link.sockets()):
        poller.register(item, zmq.POLLIN)
    return poller
