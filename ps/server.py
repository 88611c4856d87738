"""A server's process: one ROUTER for the workers, one line to the scheduler, around the `Service` state machine."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time

import zmq

from ..common.address import data_endpoint
from ..common.channel import QUEUED_OUT, Context, receive, router, send
from ..common.codec import Message, decode, encode
from ..common.curve import keys_for
from ..common.job import JobEnv
from ..common.link import Link
from ..common.messages import Fail, Gone, Report, Stop
from ..common.requests import FromWorker, Pull, Push
from ..common.wire import RANGE_ELEMENTS, Frame, WireError
from .answers import Reply
from .memory import keep_freed_memory
from .refusal import refusal
from .replies import Replies
from .service import Service
from .update import kernels

BUSY_ROUNDS = 8  # messages taken in before replies go out
RETRY = 1  # milliseconds until a worker whose queue was full is tried again


class Server:
    """Holds its share of the keys until the scheduler says stop."""

    def __init__(self, env: JobEnv) -> None:
        keep_freed_memory()
        self.context: Context = zmq.Context(io_threads=2)
        incarnation = secrets.token_hex(8)
        endpoint, variable = data_endpoint(env, incarnation, os.environ.get("PUSHGRAD_TRANSPORT"))
        limits = {"queued": QUEUED_OUT, "frame_bytes": 8 * RANGE_ELEMENTS}
        self.socket, self.endpoint = router(self.context, endpoint, variable, keys_for(env, endpoint), **limits)
        self.link = Link(env, self.context, self.endpoint, incarnation=incarnation)
        threading.Thread(target=kernels, name="pushgrad-warm-up", daemon=True).start()

    def run(self) -> int:
        """Serve until the job is over; the exit code. PeerLost if the job is aborted."""
        welcome = self.link.join()
        self.rank = welcome.rank
        self.service = Service(self.link.env.job_id, [incarnation for incarnation, _ in welcome.workers])
        self.replies = [Replies(self.service) for _ in welcome.workers]
        self.identities: list[bytes | None] = [None] * len(welcome.workers)
        self.patience = self.link.lease / 3
        self.next_look = time.monotonic() + self.patience
        try:
            self._loop()
        except Exception as error:
            self.link.send(Fail(reason=f"{type(error).__name__}: {error}"[:1000]))
            raise
        finally:
            self.socket.close(500)
            self.link.close(linger=0.5)
            self.context.term()
        return 0

    def _loop(self) -> None:
        poller = zmq.Poller()
        for item in (self.socket, *self.link.sockets()):
            poller.register(item, zmq.POLLIN)
        blocked = False
        while True:
            poller.poll(RETRY if blocked else 200)
            for _ in range(BUSY_ROUNDS):
                frames = receive(self.socket)
                if frames is None:
                    break
                self._take(bytes(frames[0]), frames[1:])
            if self._heed(self.link.receive()):
                self.link.leave()
                return
            self.link.check()
            blocked = self._flush_all()
            self._report_waiting()

    def _take(self, identity: bytes, frames: list[Frame]) -> None:
        message: Message | None = None
        try:
            message = decode(frames)
            replies = self.service.handle(message, time.monotonic())
        except WireError as error:
            send(self.socket, [identity, *encode(refusal(error, **_request(message)))])
            return
        assert isinstance(message, FromWorker)
        self.identities[message.rank] = identity
        self._put(replies)

    def _put(self, replies: list[Reply]) -> None:
        for reply in replies:
            self.replies[reply.rank].add(reply)

    def _heed(self, messages: list[Message]) -> bool:
        """Take what the scheduler says; whether that was `stop`."""
        for message in messages:
            if isinstance(message, Gone):
                self._put(self.service.worker_left(message.rank))
        return any(isinstance(message, Stop) for message in messages)

    def _flush_all(self) -> bool:
        """Send what can be sent; whether any worker could not take all of it."""
        sent = [self._flush(rank) for rank in range(len(self.replies))]
        return not all(sent)

    def _flush(self, rank: int) -> bool:
        identity = self.identities[rank]
        if identity is None or not self.replies[rank]:
            return True
        if rank in self.service.gone:
            self.replies[rank] = Replies(self.service)
            return True
        return self.replies[rank].flush(lambda message: send(self.socket, [identity, *encode(message)], 1 << 62))

    def _report_waiting(self) -> None:
        now = time.monotonic()
        if now < self.next_look:
            return
        self.next_look = now + self.patience
        for line in self.service.waits(now, self.patience):
            print(f"pushgrad server {self.rank}: {line}", file=sys.stderr, flush=True)
            self.link.send(Report(text=line))


def _request(message: Message | None) -> dict[str, object]:
    """What names a refused request in the error."""
    if not isinstance(message, FromWorker):
        return {}
    found: dict[str, object] = {"fit": message.fit, "seq": getattr(message, "seq", None)}
    if isinstance(message, Push | Pull):
        found["n"] = message.n
    return found


def run(env: JobEnv) -> int:
    """Be a server of the job; the exit code."""
    return Server(env).run()
