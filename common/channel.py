"""ZeroMQ sockets as this project uses them: one place for their options, bounded receiving, what a connection does."""

from __future__ import annotations

import errno

import zmq
from zmq.utils.monitor import parse_monitor_message

from .curve import Gatekeeper, Keys, secure_client, secure_server
from .errors import JobError
from .wire import HEADER_BYTES, MEMBERS, PAYLOAD_BYTES, TENSORS, Frame

Socket = zmq.Socket[bytes]
Context = zmq.Context[Socket]

FRAMES = max(2 * TENSORS, MEMBERS) + 3  # one more than identity, header, and row ids and data or contributions
HANDSHAKE_MS = 5000  # whoever connects and says nothing sensible is cut after this
QUEUED_OUT = 8  # messages per peer inside ZeroMQ: what is queued there cannot be overtaken and costs memory
_POLLIN = int(zmq.POLLIN)
FAILED = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL


def configure(socket: Socket, endpoint: str, *, queued: int = 0, frame_bytes: int = PAYLOAD_BYTES) -> None:
    """Options of every socket. `queued` bounds the messages per peer that wait in ZeroMQ, 0 for none.

    The defaults drop silently (to a peer that is not there), wait for ever (at exit) and accept frames of any size.
    """
    socket.linger = 0
    socket.maxmsgsize = max(frame_bytes, HEADER_BYTES)
    socket.handshake_ivl = HANDSHAKE_MS
    socket.sndhwm = queued
    socket.rcvhwm = queued
    socket.tcp_keepalive, socket.tcp_keepalive_idle = 1, 30
    socket.tcp_keepalive_intvl, socket.tcp_keepalive_cnt = 10, 3
    socket.ipv6 = "[" in endpoint
    if socket.type == zmq.ROUTER:
        socket.router_mandatory = True
        socket.router_handover = True  # a peer that reconnects takes its place again: identities carry an incarnation
        socket.backlog = 1024
    else:
        socket.immediate = True
        socket.reconnect_ivl, socket.reconnect_ivl_max = 50, 1000


def router(context: Context, endpoint: str, variable: str, keys: Keys | None, **options: int) -> tuple[Socket, str]:
    """A ROUTER bound to `endpoint`, and the endpoint with its port. JobError naming `variable` if it cannot bind."""
    socket = context.socket(zmq.ROUTER)
    configure(socket, endpoint, **options)
    if keys:
        Gatekeeper(context, keys).start()
        secure_server(socket, keys)
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        socket.close(0)
        raise _bind_error(error, endpoint, variable) from None
    return socket, str(socket.get_string(zmq.LAST_ENDPOINT)).rstrip("\0")


def _bind_error(error: zmq.ZMQError, endpoint: str, variable: str) -> JobError:
    if variable == "DMLC_PS_ROOT_URI" and error.errno in (zmq.EADDRINUSE, errno.EACCES):
        variable = "DMLC_PS_ROOT_PORT"
    if error.errno == zmq.EADDRINUSE:
        remedy = "Another process listens there; choose another port or end it"
    elif error.errno in (errno.EADDRNOTAVAIL, errno.ENODEV):
        remedy = f"{variable} must name an address of this host"
    else:
        remedy = f"Check {variable}"
    return JobError(f"{variable}: cannot listen at {endpoint} ({error.strerror})", remedy=remedy)


def dealer(context: Context, endpoint: str, identity: bytes, keys: Keys | None, **options: int) -> Socket:
    """A DEALER that connects (and connects again) to `endpoint` under `identity`."""
    socket = context.socket(zmq.DEALER)
    configure(socket, endpoint, **options)
    socket.routing_id = identity
    if keys:
        secure_client(socket, keys)
    return socket


def readable(socket: Socket) -> bool:
    """Whether a message is there. Asking is much cheaper than an exception from a read that would block."""
    return bool(socket.getsockopt(zmq.EVENTS) & _POLLIN)  # type: ignore[operator]


def receive(socket: Socket, limit: int = FRAMES) -> list[Frame] | None:
    """The frames of the next message, None if there is none. What comes after `limit` frames is thrown away.

    No message of the protocol has that many, so `decode` refuses what is left of it. Frames are not copied; whoever
    keeps one keeps the message's memory.
    """
    if not readable(socket):
        return None
    try:
        first = socket.recv(zmq.NOBLOCK, copy=False)
    except zmq.Again:  # its sender is gone
        return None
    frames: list[Frame] = [first.buffer]
    more = first.more
    while more:
        part = socket.recv(copy=False)
        more = part.more
        if len(frames) < limit:
            frames.append(part.buffer)
    return frames


def send(socket: Socket, frames: list[Frame], copy_below: int = 1 << 16) -> bool:
    """Send one message without waiting; False if the peer's queue is full or the peer is not connected.

    Frames of `copy_below` bytes or more are not copied: they must stay as they are until the peer has answered.
    """
    try:
        last = len(frames) - 1
        for index, frame in enumerate(frames):
            more = zmq.SNDMORE if index < last else 0
            size = len(frame) if isinstance(frame, bytes) else frame.nbytes
            socket.send(frame, more | (zmq.NOBLOCK if index == 0 else 0), copy=size < copy_below)
    except zmq.Again:
        return False
    except zmq.ZMQError as error:
        if error.errno == zmq.EHOSTUNREACH:
            return False
        raise
    return True


class Watch:
    """What happens to the connection of one connecting socket: connected anew, or refused."""

    def __init__(self, socket: Socket, endpoint: str, secured: bool) -> None:
        self.endpoint, self.secured = endpoint, secured
        self.monitor = socket.get_monitor_socket(FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self.connections = 0
        self.failures = 0

    def drain(self) -> int:
        """How often the connection came about since the last call. JobError if the peer refuses it for good."""
        connected = 0
        while readable(self.monitor):
            event = int(parse_monitor_message(self.monitor.recv_multipart())["event"])
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                connected += 1
                self.failures = 0
            else:
                self._failed(event)
        self.connections += connected
        return connected

    def _failed(self, event: int) -> None:
        # A peer that ends in the middle of a handshake looks like one that refuses a key: believe it the third time.
        self.failures += 1
        if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL and not (self.secured and self.failures >= 3):
            return
        if self.secured:
            raise JobError(
                f"authentication failed at {self.endpoint}",
                remedy="PUSHGRAD_KEYS must hold the same keys for every process of the job",
            )
        raise JobError(
            f"handshake failed at {self.endpoint}: what listens there is not a process of this job, or it wants keys",
            remedy="Check DMLC_PS_ROOT_URI and DMLC_PS_ROOT_PORT, and PUSHGRAD_KEYS or PUSHGRAD_INSECURE on both sides",
        )
