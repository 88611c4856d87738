"""A bound ROUTER whose peers cannot fill this process, whatever they send or leave unread.

Two things that a peer can hold here ZeroMQ (4.3) has no bound for. It keeps the frames of a message until the last one
has come, however many there are. And when a connection is taken over by another under the same routing id while more
messages wait than its queue holds, the old one is never closed. (Its heartbeats would close it, but may abort the
process: `Assertion failed: !_io_error`.) Only processes of the job get as far as that. For both there is one remedy:
the socket is made anew. The others reconnect and say again what has not been answered, as after any lost connection.
"""

from __future__ import annotations

import os
import select
import socket as network
import stat
import time
from collections.abc import Callable
from pathlib import Path

import zmq

from ..common.channel import Context, bound, receive, router, send
from ..common.curve import Keys
from ..common.wire import Frame
from .memory import return_freed_memory

LOOK, COUNT = 0.1, 2.0  # seconds between two looks at the memory, and at the connections
SPARE = 256 << 20  # bytes: the interpreter, compiled code, and memory that malloc keeps for the next frames
PER_PEER = 64 << 20  # bytes: 8 messages of 4 MiB in each direction, or one part of a collective
DEAD = 8  # connections whose peer has gone and that are not closed
CLEAR = 1.0  # seconds after which nothing is left of a closed socket
VAIN = 20  # looks in a row at too much memory
REBIND = 5.0  # seconds for ZeroMQ's other thread to let go of the port


class Listener:
    """The ROUTER of a process with `peers` workers. `socket` is another one after `tend` has returned a text.

    `endpoint` has the port that the system chose. `options` are those of `configure`. Raises JobError naming `variable`
    if it cannot bind.
    """

    def __init__(
        self, context: Context, endpoint: str, variable: str, keys: Keys | None, peers: int, **options: int
    ) -> None:
        self.socket, self.endpoint = router(context, endpoint, variable, keys, **options)
        self._context, self._keys, self._options = context, keys, options
        self._allowed = private_memory() + SPARE + PER_PEER * peers
        self._next_look = self._next_count = self._clear_until = 0.0
        self._dead: set[tuple[int, int]] = set()
        self._vain = 0

    def receive(self) -> tuple[bytes, list[Frame]] | None:
        """Identity of the sender and frames of the next message, None if none has come."""
        frames = receive(self.socket)
        return None if frames is None else (bytes(frames[0]), frames[1:])

    def send(self, identity: bytes, frames: list[Frame], copy_below: int = 1 << 16) -> bool:
        """Send without waiting, as channel's `send`; False if the peer's queue is full or it is not connected."""
        return send(self.socket, [identity, *frames], copy_below)

    def close(self, linger: float) -> None:
        """Stop listening; messages that are not sent yet get `linger` seconds."""
        self.socket.close(int(1000 * linger))

    def tend(self, held: Callable[[], int], now: float) -> str | None:
        """Call it often. If peers hold too much, make the socket anew and return what was wrong, else None.

        `held` tells the bytes that this process keeps on purpose. What had come by one call must have been received by
        the next.
        """
        if now < self._next_look:
            return None
        self._next_look = now + LOOK
        if now < self._clear_until:
            return_freed_memory()
        wrong = self._too_much(held()) or (self._too_many() if now >= self._next_count else None)
        if now >= self._next_count:
            self._next_count = now + COUNT
        if wrong:
            self._renew()
            # ZeroMQ's other thread frees the messages of the old socket, and malloc would keep their memory.
            self._next_look, self._clear_until = now + 2 * LOOK, now + CLEAR
        return wrong and f"{wrong}; all connections were made anew"

    def _too_much(self, held: int) -> str | None:
        if private_memory() <= held + self._allowed:
            self._vain = 0
            return None
        return_freed_memory()
        extra = private_memory() - held
        if extra <= self._allowed:
            return None
        self._vain += 1
        if self._vain > VAIN:  # it does not go away with the connections, so no peer holds it
            self._vain, self._allowed = 0, extra + SPARE
            return None
        return f"peers sent {extra >> 20} MiB in messages that do not end or that nobody reads"

    def _too_many(self) -> str | None:
        """Dead connections were dead at the last look already: young ones may still have messages to be read."""
        found = self._hung_up()
        lasting, self._dead = found & self._dead, found
        return f"{len(lasting)} connections of peers that have gone were not closed" if len(lasting) >= DEAD else None

    def _hung_up(self) -> set[tuple[int, int]]:
        """File descriptors and inodes of accepted connections whose other end is closed."""
        here = _place(self.endpoint.partition("://")[2])
        poll = select.poll()
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - there may be thousands, and all that counts is their numbers
            poll.register(int(name), select.POLLRDHUP)
        closed = [fd for fd, events in poll.poll(0) if events & (select.POLLRDHUP | select.POLLHUP | select.POLLERR)]
        return {(fd, inode) for fd in closed for place, inode in [_accepted_at(fd)] if place == here}

    def _renew(self) -> None:
        self.socket.close(0)
        deadline = time.monotonic() + REBIND
        while True:
            try:
                self.socket = bound(self._context, self.endpoint, self._keys, **self._options)
                break
            except zmq.ZMQError as error:
                if error.errno != zmq.EADDRINUSE or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def private_memory() -> int:
    """The bytes of memory that are this process's alone, without shared segments."""
    _, resident, shared, *_ = Path("/proc/self/statm").read_bytes().split()
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGESIZE")


def _place(address: str) -> str:
    """What tells a listening socket from others: the path or the port."""
    return address if address.startswith("/") else address.rpartition(":")[2]


def _accepted_at(fd: int) -> tuple[str | None, int]:
    """The path or port of our end of a socket, and its inode; (None, 0) if it is no socket, or none any more.

    The file belongs to ZeroMQ's thread, which may close it meanwhile.
    """
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):  # such as an output that nobody reads any more
            return None, 0
        # A copy of our own: closing it does not close the connection.
        with network.socket(fileno=os.dup(fd)) as probe:
            name, inode = probe.getsockname(), os.fstat(probe.fileno()).st_ino
    except OSError:
        return None, 0
    return (name if isinstance(name, str) else str(name[1])), inode
