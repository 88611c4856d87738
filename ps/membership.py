"""Who belongs to the job and how it stands: the scheduler as a state machine. Events in, actions out, no sockets.

Its phases are gathering -> running -> stopping (all workers have left) -> end. A process that fails or falls silent in
any of them aborts the job for all (aborted). Every event may come twice, because processes repeat what has not been
answered when they have had to reconnect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..common.codec import Message
from ..common.errors import EXIT_FAILURE
from ..common.messages import (
    Abort,
    Error,
    Fail,
    Gather,
    Gone,
    Hello,
    Leave,
    Left,
    Ping,
    Registered,
    Stop,
    Unreachable,
    Welcome,
    mark_of,
)
from ..common.wire import TEXT_BYTES, WireError, cut
from .actions import Action, End, Send, Tell
from .collectives import Collectives
from .news import News
from .refusal import refusal
from .roster import Member, Roster, cannot_reach
from .waits import told

LOOK = 0.1  # seconds between two looks at all members: after each message, they would cost more than the message
ABORT_NOTICE = 2.0  # seconds that the others have to confirm an abort before the scheduler ends anyway


class Membership:
    """The job's processes, their leases and their collectives. Times are seconds of a monotonic clock."""

    def __init__(self, roster: Roster, lease: float, start_timeout: float, now: float) -> None:
        self.roster, self.lease, self.start_timeout = roster, lease, start_timeout
        self.collectives = Collectives(roster.wanted["worker"])
        self.phase = "gathering"
        self.started = self.looked = now  # when waiting for processes began, and when `tick` was last called
        self._next_look = now
        self._marks: tuple[str, ...] = ()  # of the welcomes: see there
        self._servers: tuple[tuple[str, str], ...] = ()
        self.news = News(roster, lease)

    def handle(self, identity: bytes, message: Message, now: float) -> list[Action]:
        """What to do about a message from the process behind `identity`. Any message counts as a sign of life."""
        if self.phase == "aborted":
            return self._after_abort(identity, message)
        if isinstance(message, Hello):
            return self._hello(identity, message, now)
        member = self.roster.members.get(identity)
        if member is None:
            return [Send(identity, Error(code="unknown_process", text=f"{message.op}: say hello first"))]
        member.heard = member.spoke = now
        handler = _HANDLERS.get(type(message))
        if handler is None:
            return [Send(identity, Error(code="unknown_op", text=f"{message.op} is not for the scheduler"))]
        return handler(self, member, message, now)

    def heard(self, identity: bytes, now: float) -> None:
        """Note a sign of life of the process behind `identity`: its pulse has sent a ping back."""
        member = self.roster.members.get(identity)
        if member is not None:
            member.heard = now

    def tick(self, now: float) -> list[Action]:
        """What is due by time alone: peers that did not come or have fallen silent, and lines about who waits.

        Call it after handling the messages that have arrived: unread ones would look like silence.
        """
        stood_still = now - self.looked  # after a gap this process was stopped or starved: nobody else was silent
        self.looked = now
        if stood_still > self.lease / 2:
            for member in self.roster.members.values():
                member.heard = min(now, member.heard + stood_still)  # not twice: what was read since counts by itself
        if self.phase == "aborted":
            return [self.end] if now > self.deadline or not self.unaware else []
        if now < self._next_look:
            return []
        self._next_look = now + LOOK
        if self.phase == "gathering" and now - self.started > self.start_timeout:
            return self._abort(*self.roster.first_missing(), "", self.roster.late(self.start_timeout), now)
        for member in self.roster.present():
            if now - member.heard > self.lease:
                member.left = True  # so that the end of the job does not wait for its answer
                return self._lost(member, f"no sign of life for {self.lease:g} s", now, lost=True)
        return self._look_at_waits(now)

    def _look_at_waits(self, now: float) -> list[Action]:
        """End the job if workers wait for each other, else tell who is waited for."""
        if self.phase == "gathering":
            return self.news.missing() if now - self.started > min(self.news.patience, self.start_timeout / 2) else []
        stuck = self.news.crossed(self.collectives, now) if self.phase == "running" else {}
        if stuck:
            return self._lost(self.roster.of("worker")[max(stuck)], told(stuck), now)
        return self.news.waiting(self.collectives, now)

    def ping(self, n: int) -> list[Send]:
        """A ping with number `n` for everyone who is present."""
        ping = Ping(n=n)
        return [Send(member.identity, ping) for member in self.roster.present()]

    # ---- joining

    def _hello(self, identity: bytes, hello: Hello, now: float) -> list[Action]:
        member = self.roster.members.get(identity)
        answer: list[Action] = []
        if member is not None and member.left:  # it reconnected while leaving: it has nothing more to learn
            return []
        if member is None:
            try:
                member = self.roster.admit(identity, hello, now)
            except WireError as error:
                return [Send(identity, refusal(error))]
            answer.append(
                Tell("arrived", {"role": hello.role, "rank": hello.rank, "pid": hello.pid, "host": hello.host})
            )
            if hello.role == "worker":
                self.started = min(self.started, now)  # matters only under a launcher: see Scheduler
        member.heard = now
        answer.append(Send(identity, Registered(lease=self.lease, scheduler=self.roster.name)))
        if self.phase == "gathering" and self.roster.complete():
            return answer + self._start()
        # The process is known already and has lost its connection: it gets again whatever it may have missed.
        if self.phase != "gathering":
            answer.append(Send(identity, self._welcome(member)))
        if self.phase != "gathering" and member.role == "server":
            answer += [Send(identity, Gone(rank=item.rank or 0)) for item in self.roster.of("worker") if item.left]
        if self.phase == "stopping":
            answer.append(Send(identity, Stop()))
        return answer

    def _start(self) -> list[Action]:
        self.phase = "running"
        self.roster.give_ranks()
        self._marks = tuple(mark_of(item.incarnation) for item in self.roster.of("worker"))
        self._servers = tuple((item.endpoint or "", item.host) for item in self.roster.of("server"))
        actions: list[Action] = []
        for member in self.roster.ordered():
            fields = {"role": member.role, "rank": member.rank, "pid": member.pid, "host": member.host}
            actions += [Tell("joined", fields), Send(member.identity, self._welcome(member))]
        return actions

    def _welcome(self, member: Member) -> Welcome:
        return Welcome(
            rank=member.rank or 0,
            lease=self.lease,
            workers=self.roster.wanted["worker"],
            servers=self._servers,
            marks=self._marks if member.role == "server" else (),
        )

    # ---- running

    def _gather(self, member: Member, message: Gather, now: float) -> list[Action]:
        if member.role != "worker" or member.rank is None:
            return [Send(member.identity, Error(code="role", text="gather: only workers, and only after the welcome"))]
        before = self.collectives.done  # tells the part that completes a round from one that is repeated
        try:
            result = self.collectives.contribute(member.rank, message.n, message.frames[0], now, message.what)
        except WireError as error:
            mixed_up = error is self.collectives.mixed_up  # then those who wait learn it, too
            receivers = self.roster.of("worker") if mixed_up else [member]
            return [Send(item.identity, refusal(error, n=message.n)) for item in receivers]
        if result is None:
            return []
        receivers = [member] if before == self.collectives.done else self.roster.of("worker")
        return [Send(item.identity, result) for item in receivers]

    def _news(self, member: Member, message: Message, now: float) -> list[Action]:
        return self.news.take(member, message, now)

    def _unreachable(self, member: Member, message: Unreachable, now: float) -> list[Action]:
        server = next((item for item in self.roster.of("server") if item.rank == message.server), None)
        # A server that gives no sign of life either is itself the cause, and will be missed within its lease.
        if server is None or member.role != "worker" or now - server.heard > self.lease / 3:
            return []
        return self._lost(member, cannot_reach(member, server), now, lost=True)

    # ---- ending

    def _leave(self, member: Member, message: Leave, now: float) -> list[Action]:
        if member.left:  # a repetition: the answer may have been lost
            return [Send(member.identity, Left())]
        if self.phase == "gathering":
            return self._lost(member, "left before the job was complete", now)
        if member.role == "server":
            return self._server_left(member, now)
        member.left = True
        assert member.rank is not None
        self.news.waits.forget(member.rank)
        actions: list[Action] = [Tell("left", {"role": "worker", "rank": member.rank}), Send(member.identity, Left())]
        number = self.collectives.done + 1
        for rank, error in self.collectives.leave(member.rank):
            actions.append(Send(self.roster.of("worker")[rank].identity, refusal(error, n=number)))
        # Only servers need to know. Telling all workers takes as many messages as there are pairs of them.
        servers, gone = [item for item in self.roster.of("server") if not item.left], Gone(rank=member.rank)
        actions += [Send(item.identity, gone) for item in servers]
        # Servers stay until the last worker has left: the others may still pull from them.
        if len(self.collectives.gone) == self.roster.wanted["worker"]:
            self.phase = "stopping"
            actions += [Send(item.identity, Stop()) for item in servers]
        return actions

    def _server_left(self, member: Member, now: float) -> list[Action]:
        if self.phase != "stopping":
            return self._lost(member, "left while workers still need it", now)
        member.left = True
        actions: list[Action] = [Tell("left", {"role": "server", "rank": member.rank}), Send(member.identity, Left())]
        if not self.roster.present():
            actions += [Tell("done", {}), End(0)]
        return actions

    def _fail(self, member: Member, message: Fail, now: float) -> list[Action]:
        return self._lost(member, message.reason, now)

    def _lost(self, member: Member, reason: str, now: float, lost: bool = False) -> list[Action]:
        return self._abort(member.role, member.rank, f"{member.host}, pid {member.pid}", reason, now, lost)

    def _abort(
        self, role: str, rank: int | None, host: str, reason: str, now: float, lost: bool = False
    ) -> list[Action]:
        """Tell everyone, and stay until everyone has confirmed by `leave` or ABORT_NOTICE has passed.

        `lost`: not by an error of its own, but because it, or the way between it and another, is gone: `launch` may
        start the job again.

        A message sent just before the end may be lost, and its receiver could then only report a lost scheduler.
        """
        self.phase, self.deadline = "aborted", now + ABORT_NOTICE
        self.bad_news = Abort(role=role, rank=rank, host=cut(host, 256), reason=cut(reason, TEXT_BYTES))
        self.unaware = dict.fromkeys(item.identity for item in self.roster.present())  # in order
        self.end = End(EXIT_FAILURE, self.bad_news.sentence)
        about = {"role": role, "rank": rank, "host": host, "reason": reason} | ({"lost": True} if lost else {})
        return [Tell("aborted", about), *(Send(identity, self.bad_news) for identity in self.unaware)]

    def _after_abort(self, identity: bytes, message: Message) -> list[Action]:
        if isinstance(message, Leave):
            self.unaware.pop(identity, None)
            return []
        return [Send(identity, self.bad_news)]  # whatever it says, it may not have heard yet


_HANDLERS: dict[type[Message], Callable[[Membership, Member, Any, float], list[Action]]] = {
    Gather: Membership._gather,
    Unreachable: Membership._unreachable,
    **dict.fromkeys(News.KINDS, Membership._news),
    Leave: Membership._leave,
    Fail: Membership._fail,
}
