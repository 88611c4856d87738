"""What processes say of themselves: how far they are, where they stand, what they wait for. No sockets.

Some of it is for the display; from the rest come the lines about who waits for whom, and where that one stands.
"""

from __future__ import annotations

from dataclasses import fields

from ..common.codec import Message
from ..common.messages import Ping, Progress, Report, Resumable, Stalled, Standing, Traffic
from .actions import Action, Tell
from .collectives import Collectives
from .roster import Member, Roster
from .waits import Waits


class News:
    """Of the processes in `roster`. Times and `lease` are in seconds."""

    # A ping is a sign of life alone.
    KINDS: tuple[type[Message], ...] = (Ping, Progress, Report, Resumable, Standing, Stalled, Traffic)

    def __init__(self, roster: Roster, lease: float) -> None:
        self.roster, self.lease, self.waits = roster, lease, Waits()
        self.patience = lease / 3  # of waiting before somebody is told, well before anything is given up

    def take(self, member: Member, message: Message, now: float) -> list[Action]:
        """Note a message of one of KINDS; what the display is to be told."""
        if isinstance(message, Progress | Resumable):
            said = {item.name: getattr(message, item.name) for item in fields(message) if item.name != "frames"}
            return [Tell(message.op, {"rank": member.rank, **said})]
        if isinstance(message, Report):
            absent = self.waits.absent(member.rank or 0) if member.role == "server" else set()
            return [self._line(f"{member.role} {member.rank}: {message.text}", absent, now)]
        if isinstance(message, Traffic):
            said = {"role": member.role, "rank": member.rank, "received": message.received, "sent": message.sent}
            return [Tell("traffic", said)] if member.role == "server" else []
        if isinstance(message, Standing):
            self.waits.stands(member.rank or 0, message, now)
        elif isinstance(message, Stalled):
            self.waits.stalls(member.rank or 0, message, now)
        return []

    def crossed(self, collectives: Collectives, now: float) -> dict[int, str]:
        """Where the workers stand that wait for each other, by rank; empty if none do."""
        return self.waits.crossed(collectives.round.parts.keys() if collectives.round else None, now)

    def missing(self) -> list[Action]:
        """The line for those who have not come yet, if it has not been said."""
        text = self.roster.news_of_missing()
        return [Tell("waiting", {"text": text})] if text else []

    def waiting(self, collectives: Collectives, now: float) -> list[Action]:
        """The line for a collective that has been waiting for long, once in a while."""
        text, round_ = collectives.waits(now, self.patience), collectives.round
        if not text or not round_:
            return []
        return [self._line(text, set(range(collectives.workers)) - round_.parts.keys(), now)]

    def _line(self, text: str, absent: set[int], now: float) -> Tell:
        """The line with where those stand who are waited for."""
        workers = [item for item in self.roster.of("worker") if item.rank in absent and not item.left]
        return Tell("waiting", {"text": text + self.waits.where(workers, self.lease, now)})
