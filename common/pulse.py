"""Signs of life that a held GIL does not delay: libzmq itself sends every ping back, in a thread of its own.

A training step may hold the GIL, or keep the process's own loop from its sockets, for longer than a lease. That must
not look like a dead process; a stopped or killed process, on the other hand, has no running threads at all.
"""

from __future__ import annotations

import threading

import zmq

from .channel import Context, dealer
from .curve import Keys

PREFIX = b"pulse:"  # then the identity of the process: a second connection needs an identity of its own


class Pulse:
    """Echoes whatever the scheduler at `endpoint` sends to the identity `pulse:` + `identity`, until `close`."""

    def __init__(self, endpoint: str, identity: bytes, keys: Keys | None) -> None:
        self.context: Context = zmq.Context()  # its own: terminating it is the only way to end `zmq.proxy`
        self.socket = dealer(self.context, endpoint, PREFIX + identity, keys)
        self.socket.connect(endpoint)
        self.thread = threading.Thread(target=self._run, name="pushgrad-pulse", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            zmq.proxy(self.socket, self.socket)  # runs in C without the GIL until the context ends
        except zmq.ZMQError:  # ETERM, from `close`
            pass
        finally:
            self.socket.close(0)

    def close(self) -> None:
        """End the echo and its thread."""
        self.context.term()
        self.thread.join()
