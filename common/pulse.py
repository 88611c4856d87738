"""Signs of life that no held GIL delays: libzmq itself sends every ping back, in a thread of its own."""

from __future__ import annotations

import threading

import zmq

from .channel import Context, dealer
from .curve import Keys

PREFIX = b"pulse:"  # before the identity of the process whose pulse it is


class Pulse:
    """Echoes whatever the scheduler at `endpoint` sends to the identity `pulse:` + `identity`."""

    def __init__(self, endpoint: str, identity: bytes, keys: Keys | None) -> None:
        self.context: Context = zmq.Context()
        self.socket = dealer(self.context, endpoint, PREFIX + identity, keys)
        self.socket.connect(endpoint)
        self.thread = threading.Thread(target=self._run, name="pushgrad-pulse", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            zmq.proxy(self.socket, self.socket)  # runs in C without the GIL until the context ends
        except zmq.ZMQError:
            pass
        finally:
            self.socket.close(0)

    def close(self) -> None:
        """End the echo."""
        self.context.term()
        self.thread.join()
