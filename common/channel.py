"""ZeroMQ sockets as this project uses them: their options, sending and receiving without waiting, connection events.

Processes bind ROUTERs and connect DEALERs. A socket belongs to the thread that uses it; ZeroMQ does not lock it.
"""

from __future__ import annotations

import errno
import struct

import zmq

from .curve import Gatekeeper, Keys, secure_client, secure_server
from .errors import JobError
from .open_files import allow_connections
from .wire import HEADER_BYTES, PAYLOAD_BYTES, TENSORS, Frame

Socket = zmq.Socket[bytes]
Context = zmq.Context[Socket]

# Frames of a message that are kept: the longest valid ones have identity, header, and row ids and data of TENSORS
# tensors. One more lets `decode` see that there were too many.
FRAMES = 2 * TENSORS + 3
HANDSHAKE_MS = 5000  # a connection that has not completed ZeroMQ's handshake by then (a port scanner) is cut
DEFAULT_SOCKETS = 1023  # ZeroMQ's own bound for a context
QUEUED_OUT = 8  # messages per peer inside ZeroMQ: what is queued there cannot be overtaken and costs memory
_POLLIN, _SNDMORE, _NOBLOCK = int(zmq.POLLIN), int(zmq.SNDMORE), int(zmq.NOBLOCK)  # quicker than zmq's own enums
FAILED = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL


def configure(socket: Socket, endpoint: str, *, queued: int = 0, frame_bytes: int = PAYLOAD_BYTES) -> None:
    """Set the options of every socket; call it before bind or connect.

    `queued` bounds the messages per peer that wait inside ZeroMQ in each direction; 0 means no bound. A frame of more
    than `frame_bytes` bytes cuts the connection. ZeroMQ's defaults drop messages silently (to a peer that is not
    there), wait for ever (at exit) and accept frames of any size.
    """
    socket.linger = 0
    socket.maxmsgsize = max(frame_bytes, HEADER_BYTES)
    socket.handshake_ivl = HANDSHAKE_MS
    socket.sndhwm = queued
    socket.rcvhwm = queued
    # A host that vanishes without closing its connections is noticed after 30 + 3 * 10 s.
    socket.tcp_keepalive, socket.tcp_keepalive_idle = 1, 30
    socket.tcp_keepalive_intvl, socket.tcp_keepalive_cnt = 10, 3
    socket.ipv6 = "[" in endpoint
    if socket.type == zmq.ROUTER:
        socket.router_mandatory = True  # a message to an unknown peer is an error (`send` gives False), not dropped
        # A peer that reconnects takes its place again even while the old connection looks alive. That is safe because
        # identities carry an incarnation, which no other process has or can find out.
        socket.router_handover = True
        socket.backlog = 1024  # all workers of a large job connect at once
    else:
        socket.immediate = True  # no queueing for a connection that is not there: `send` gives False instead
        socket.reconnect_ivl, socket.reconnect_ivl_max = 50, 1000  # milliseconds, doubled from try to try


def router(context: Context, endpoint: str, variable: str, keys: Keys | None, **options: int) -> tuple[Socket, str]:
    """A ROUTER bound to `endpoint`, encrypted if there are `keys`, and the endpoint with the port that it got.

    `options` are those of `configure`. Raises JobError naming `variable` if it cannot bind.
    """
    if keys:
        # Before binding: if there is nobody to ask, libzmq accepts every client key.
        Gatekeeper(context, keys).start()
    try:
        socket = bound(context, endpoint, keys, **options)
    except zmq.ZMQError as error:
        raise _bind_error(error, endpoint, variable) from None
    return socket, str(socket.get_string(zmq.LAST_ENDPOINT)).rstrip("\0")


def bound(context: Context, endpoint: str, keys: Keys | None, **options: int) -> Socket:
    """A ROUTER bound to `endpoint`, as `router` makes it, in a context that has its gatekeeper. Raises ZMQError."""
    socket = context.socket(zmq.ROUTER)
    configure(socket, endpoint, **options)
    if keys:
        secure_server(socket, keys)
    try:
        socket.bind(endpoint)
    except zmq.ZMQError:
        socket.close(0)
        raise
    return socket


def _bind_error(error: zmq.ZMQError, endpoint: str, variable: str) -> JobError:
    # The address was fine and the port is not: in use, or below 1024 without the privilege.
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
    """A DEALER for connecting to `endpoint` as `identity`, encrypted if there are `keys`; the caller connects it.

    `options` are those of `configure`. ZeroMQ reconnects by itself whenever the connection is lost.
    """
    socket = context.socket(zmq.DEALER)
    configure(socket, endpoint, **options)
    socket.routing_id = identity
    if keys:
        secure_client(socket, keys)
    return socket


def notice_loss(socket: Socket, seconds: float) -> None:
    """Have a tcp connection count as lost when the peer's host has confirmed nothing for about so many seconds.

    Call it before connecting. The peer's kernel confirms what arrives, so a peer that computes is not affected. Times
    are rounded up to whole seconds where the kernel has no finer ones.
    """
    socket.tcp_maxrt = int(1000 * seconds)  # for data under way
    socket.tcp_keepalive_idle = socket.tcp_keepalive_intvl = max(1, int(seconds / 3))  # for a silent connection


def context_for(peers: int) -> Context:
    """A context, with two threads, for watched connections to that many peers; ZeroMQ's default is enough for 340.

    Raises JobError if this process may not have so many files open.
    """
    allow_connections(peers)
    context: Context = zmq.Context(io_threads=2)
    context.set(zmq.MAX_SOCKETS, DEFAULT_SOCKETS + 3 * peers)  # its own and the two ends of its monitor
    return context


def readable(socket: Socket) -> bool:
    """Whether a message can be received now. Asking is much cheaper than the exception of a read that would block."""
    return bool(socket.getsockopt(zmq.EVENTS) & _POLLIN)  # type: ignore[operator]


def receive(socket: Socket, limit: int = FRAMES) -> list[Frame] | None:
    """The frames of the next message, or None if there is none. Frames after the first `limit` are thrown away.

    No valid message has that many, so `decode` refuses what is left of it. Frames are not copied: they are views of
    ZeroMQ's memory, which lives as long as one of them does.
    """
    if not readable(socket):
        return None
    try:
        first = socket.recv(_NOBLOCK, copy=False)
    except zmq.Again:  # the sender has gone since we asked
        return None
    frames: list[Frame] = [first.buffer]
    more = first.more
    while more:
        part = socket.recv(copy=False)  # does not block: ZeroMQ delivers a message whole or not at all
        more = part.more
        if len(frames) < limit:
            frames.append(part.buffer)
    return frames


def send(socket: Socket, frames: list[Frame], copy_below: int = 1 << 16) -> bool:
    """Send one message, all of it or nothing, without waiting.

    False if the peer's queue is full or the peer is not connected. Frames of `copy_below` bytes or more are not copied:
    the caller must leave them as they are until the peer has answered. (Below 64 KiB a copy is cheaper than pyzmq's
    bookkeeping for frames that are not copied.) Raises zmq.ZMQError if the socket is broken.
    """
    try:
        last = len(frames) - 1
        for index, frame in enumerate(frames):
            more = _SNDMORE if index < last else 0
            size = len(frame) if isinstance(frame, bytes) else frame.nbytes
            # Only the first frame asks whether there is room. Once it is in, the rest must follow: giving up between
            # two frames would leave half a message in the socket, and the next one would be taken for its end.
            socket.send(frame, more | (_NOBLOCK if index == 0 else 0), copy=size < copy_below)
    except zmq.Again:
        return False
    except zmq.ZMQError as error:
        if error.errno == zmq.EHOSTUNREACH:  # router_mandatory: nobody has connected under that identity
            return False
        raise
    return True


class Watch:
    """Watches the connection of one connecting socket: whether it is there, how often it was made, and refusals.

    The owner polls `monitor` along with the socket and calls `drain`.
    """

    def __init__(self, socket: Socket, endpoint: str, secured: bool) -> None:
        self.endpoint, self.secured = endpoint, secured
        self.monitor = socket.get_monitor_socket(FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self.connections = 0
        self.connected = False
        self.failures = 0

    def drain(self) -> int:
        """How many times the socket has connected since the last call. Raises JobError if the peer refuses it for good.

        After a new connection the owner must repeat what has not been answered: it may have gone with the old one.
        """
        connected = 0
        while readable(self.monitor):
            # pyzmq's own reader of events would have every process import asyncio.
            event, _ = struct.unpack("=Hi", self.monitor.recv_multipart()[0])
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                connected += 1
                self.connected, self.failures = True, 0
            elif event == zmq.EVENT_DISCONNECTED:
                self.connected = False
            else:
                self._failed(event)
        self.connections += connected
        return connected

    def _failed(self, event: int) -> None:
        # A peer that ends in the middle of a handshake looks like one that refuses a key, so believe it only the third
        # time in a row, and without keys never. The other two events are explicit refusals and count at once.
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
