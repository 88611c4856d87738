"""The network as a process of a job sees it: connections to peers, made by a `Network`. Simulations have their own.

A connection carries whole messages, in order. When it is lost it comes back by itself, without what was under way.
"""

from __future__ import annotations

import zmq

from .channel import Context, Socket, Watch, dealer, notice_loss, receive, send
from .codec import Message, encode
from .curve import Keys
from .pulse import Pulse
from .wire import Frame


class Connection:
    """A DEALER towards one peer, and the watch on it. It belongs to the thread that uses it."""

    def __init__(self, socket: Socket, endpoint: str, secured: bool) -> None:
        self.socket = socket
        self.watch = Watch(socket, endpoint, secured)

    def sockets(self) -> list[Socket]:
        """What the owner polls for reading."""
        return [self.socket, self.watch.monitor]

    def poll(self, seconds: float) -> None:
        """Wait until a message or news of the connection has come, at most so long."""
        poller = zmq.Poller()
        for item in self.sockets():
            poller.register(item, zmq.POLLIN)
        poller.poll(int(1000 * seconds))

    def send(self, message: Message) -> bool:
        """Queue a message without waiting; False if that cannot be. Its frames must stay as they are until answered."""
        return send(self.socket, encode(message))

    def receive(self) -> list[Frame] | None:
        """The frames of the next message that has come, None if there is none."""
        return receive(self.socket)

    def close(self, linger: float = 0.0) -> None:
        """Give the sockets back; messages that are not sent yet get `linger` seconds."""
        self.socket.disable_monitor()
        self.watch.monitor.close(0)
        self.socket.close(int(1000 * linger))


class Network:
    """ZeroMQ, in a context of this network's own."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def connect(
        self,
        endpoint: str,
        identity: bytes,
        keys: Keys | None,
        *,
        immediate: bool = True,
        lost_after: float | None = None,
        queued: int = 0,
    ) -> Connection:
        """A connection to `endpoint` as `identity`, encrypted if there are `keys`; it comes about by and by.

        With `immediate` False, what is sent without a connection waits for one. After `lost_after` seconds without a
        sign of the peer's host the connection counts as lost. `queued` is that of `configure`. Raises zmq.ZMQError if
        `endpoint` is none.
        """
        socket = dealer(self.context, endpoint, identity, keys, queued=queued)
        socket.immediate = immediate
        connection = Connection(socket, endpoint, keys is not None)
        if lost_after is not None:
            notice_loss(socket, lost_after)
        socket.connect(endpoint)
        return connection

    def pulse(self, endpoint: str, identity: bytes, keys: Keys | None) -> Pulse:
        """Signs of life of `identity` beside its connection."""
        return Pulse(endpoint, identity, keys)

    def close(self) -> None:
        """Wait for what lingers; all connections must have been closed."""
        self.context.term()

    def destroy(self) -> None:
        """Close whatever connections there are, at once."""
        self.context.destroy(0)
