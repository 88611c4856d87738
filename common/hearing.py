"""What a process makes of messages from a peer that it has connected to: what cannot be read is dropped, and said once.

Nothing that comes through a socket may end the loop that reads it. A request that is answered by something unreadable
counts as not answered, and is repeated with the next connection.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .codec import Message, decode
from .wire import Frame, WireError


class Hearing:
    """Reads what `who` says, such as `the scheduler at tcp://...`. `problem` is why the last message was dropped."""

    def __init__(self, who: str) -> None:
        self.who = who
        self.problem: WireError | None = None

    def understand(self, frames: Sequence[Frame]) -> Message | None:
        """The message in `frames`; None, and once a line on standard error, if it is none of this protocol."""
        try:
            return decode(frames)
        except WireError as error:
            self.drop(error)
            return None

    def drop(self, error: WireError) -> None:
        """Note that a message was of no use; the first one is reported."""
        if self.problem is None:
            text = f"pushgrad: {self.who} sent what is no message of this protocol, which is ignored ({error})"
            print(text, file=sys.stderr, flush=True)
        self.problem = error
