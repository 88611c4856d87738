"""Messages between `launch` and an agent: MessagePack maps, one after the other, over any two file descriptors.

Nothing here waits: what cannot be written yet is kept, and whoever owns the link writes on when that is possible.
`do` names what a message is: host_agent.py has what `launch` says, remote_children.py and station.py what agents do.
"""

from __future__ import annotations

import os
import selectors
import time
from typing import Any

import msgpack

Message = dict[str, Any]

# What an agent writes first. A login shell may have printed something before it.
GREETING = b"\x00pushgrad agent 1\n"
NOISE = 65536  # bytes of it after which there will be no greeting
PIECE = 65536  # bytes that are read at once
LONGEST = 16 << 20  # bytes of a message; the environment of a process is the longest


class Broken(Exception):
    """The other side has said what makes no sense."""


class Link:
    """One end. `greeted` False waits for GREETING first, keeping what comes before it in `noise`.

    `ended` says that nothing more can come; `heard` is the time (of the monotonic clock) at which something last did.
    """

    def __init__(self, reading: int, writing: int, greeted: bool = True) -> None:
        self.reading, self.writing = reading, writing
        self.noise = b""
        self.ended = False
        self.heard = time.monotonic()
        self._greeted = greeted
        self._out = bytearray()
        self._unpacker = msgpack.Unpacker(
            raw=False, strict_map_key=True, unicode_errors="surrogateescape", max_buffer_size=LONGEST
        )
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)

    @property
    def waits(self) -> bool:
        """Whether something is still to be written."""
        return bool(self._out) and not self.ended

    def greet(self) -> None:
        """Say that messages follow."""
        self._out += GREETING

    def send(self, do: str, **fields: Any) -> None:
        """Send a message, or keep it for `flush`; one to an end that has gone is dropped."""
        if not self.ended:
            self._out += msgpack.packb({"do": do, **fields}, unicode_errors="surrogateescape")
            self.flush()

    def flush(self) -> None:
        """Write as much as the descriptor takes."""
        try:
            while self._out and not self.ended:
                del self._out[: os.write(self.writing, self._out[:PIECE])]
        except BlockingIOError:
            pass
        except OSError:  # the reader has gone. What it has written before may still be read
            self._out.clear()

    def watch(self, selector: selectors.BaseSelector, data: object = None) -> None:
        """Have `selector` wake up when something can be read, or when what waits can be written."""
        wanted = {self.reading: 0, self.writing: 0}
        if not self.ended:
            wanted[self.reading] |= selectors.EVENT_READ
            wanted[self.writing] |= selectors.EVENT_WRITE if self._out else 0
        for descriptor, events in wanted.items():
            known = selector.get_map().get(descriptor)
            if known is None and events:
                selector.register(descriptor, events, data)
            elif known is not None and not events:
                selector.unregister(descriptor)
            elif known is not None and known.events != events:
                selector.modify(descriptor, events, data)

    def receive(self) -> list[Message]:
        """All messages that have come. Raises Broken if they are none."""
        while not self.ended:
            try:
                data = os.read(self.reading, PIECE)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self.ended = not data
            self.heard = time.monotonic()
            self._feed(data)
        return self._messages()

    def _feed(self, data: bytes) -> None:
        if not self._greeted:
            self.noise += data
            before, found, data = self.noise.partition(GREETING)
            if not found:
                if len(self.noise) > NOISE:
                    raise Broken("it says something else than an agent does")
                return
            self.noise, self._greeted = before, True
        try:
            self._unpacker.feed(data)
        except msgpack.BufferFull:
            raise Broken("it sends a message that is too long") from None

    def _messages(self) -> list[Message]:
        try:
            messages = list(self._unpacker)
        except (msgpack.UnpackException, ValueError) as error:
            raise Broken(f"it sends what is no message ({error})") from None
        if any(not isinstance(message, dict) or not isinstance(message.get("do"), str) for message in messages):
            raise Broken("it sends what is no message")
        return messages
