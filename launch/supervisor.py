"""Decides what happens to a job: events and the time in, actions out. It knows neither processes nor pipes.

The first failure ends the job, but the first one that is *seen* need not be its cause: when a process dies, its peers
give up soon after and may end first. So the supervisor waits for a few seconds, unless it is clear who failed.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..common.errors import EXIT_FAILURE, EXIT_TIMEOUT
from .ending import FINISH_WAIT, Action, Ending
from .evidence import SILENT, Evidence
from .process_plan import ProcessSpec
from .restarts import Restarts
from .state import Cause, Member, early_exit
from .status_reader import Event

PEER_WAIT = 5.0  # seconds to wait for the real cause after a process has given up because of a peer; docs/launch.md
PIPEFAIL = "A shell's pipe hides the exit code of what it runs: `set -o pipefail` before it"


class Supervisor:
    """The state of a job. Each event returns the actions that it leads to; `deadline` says when `tick` is due.

    Times are seconds of one monotonic clock, `now` being the time of the event. `cause` is None as long as all is
    well. In a `partial` job the others' processes are elsewhere. A process that exits with 75 gave up because of a
    peer, and a server that ends with 0 too early may have lost the scheduler: they are blamed only if nothing else
    turns up within PEER_WAIT.

    A process that died costs one of `restarts`, if there are some: everything is killed at once, and `again` says that
    the job is then to be started anew. `began` is when its first generation was started, from where `timeout` counts.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        now: float,
        timeout: float | None,
        grace: float,
        start_timeout: float,
        partial: bool = False,
        restarts: Restarts | None = None,
        began: float | None = None,
    ) -> None:
        self.members = {spec.name: Member(spec) for spec in specs}
        self.cause: Cause | None = None
        self.port: int | None = None
        self.waiting = ""
        self._finishing = False
        self._ending = Ending(grace)
        self._timeout, self._start_timeout = timeout, start_timeout
        self._evidence = Evidence(list(self.members.values()))
        self._timers: dict[str, float] = {}  # name -> time at which `_expired` is due
        self._partial = partial
        self._restarts = restarts or Restarts(0)
        self.again = False
        if "sched" in self.members:
            self._timers["start"] = now + start_timeout
        if timeout is not None:
            self._timers["job"] = (now if began is None else began) + timeout

    @property
    def stopping(self) -> bool:
        """Whether the job is being ended."""
        return self._ending.begun

    @property
    def over(self) -> bool:
        """Whether no process is running any more and none is to be started, or those that run cannot be ended."""
        ended = not any(member.running for member in self.members.values())
        return self._ending.given_up or (ended and (self.stopping or self._finishing))

    @property
    def workers(self) -> list[Member]:
        """The workers by rank."""
        return [member for member in self.members.values() if member.spec.role == "worker"]

    def deadline(self) -> float | None:
        """The time at which `tick` must be called at the latest; None if nothing is due."""
        due = [] if self._ending.due is None else [self._ending.due]
        return min([*self._timers.values(), *due], default=None)

    def stood_still(self, seconds: float) -> None:
        """The whole job was stopped (Ctrl-Z) for so long: that time does not count."""
        self._timers = {name: due + seconds for name, due in self._timers.items()}
        self._ending.shift(seconds)

    def started(self, name: str, pid: int, host: str | None = None) -> None:
        """Note that a process has been started; `host` if that was chosen only now."""
        member = self.members[name]
        member.pid = pid
        if host is not None:
            member.spec = replace(member.spec, host=host)

    def failed_to_start(self, name: str, why: str, now: float) -> list[Action]:
        """Note that a process could not be started: the job fails."""
        self.members[name].pid = None
        return self._fail(Cause(EXIT_FAILURE, f"could not be started: {why}", self.members[name]), now)

    def not_begun(self, now: float) -> None:
        """The hosts are still being reached: the time to start begins later."""
        if "start" in self._timers:
            self._timers["start"] = now + self._start_timeout

    def unusable(self, why: str, now: float) -> list[Action]:
        """Note that the hosts cannot be used: nothing has been started, whatever has been asked for."""
        for member in self.members.values():
            member.pid = None
        return self._workers_left(now) if self.stopping else self._fail(Cause(EXIT_FAILURE, why), now)

    def lost(self, names: Sequence[str], why: str, now: float) -> list[Action]:
        """Note that nothing is heard any more of processes that have not ended: the job fails, unless it is done."""
        gone = [member for name in names if (member := self.members[name]).running]
        for member in gone:
            member.lost = True
        if self.stopping:
            return self._workers_left(now)
        if not gone or self._finishing:
            return []
        # Workers come last, and say more.
        return self._fail(Cause(EXIT_FAILURE, f"was lost: {why}", gone[-1], died=True), now)

    def _workers_left(self, now: float) -> list[Action]:
        return [] if any(worker.running for worker in self.workers) else self._ending.workers_gone(now)

    def status(self, event: Event, now: float) -> list[Action]:
        """Take what the scheduler has said; events of an unknown kind or process are ignored."""
        kind = event["event"]
        if kind == "listening" and self.port is None and isinstance(event.get("port"), int):
            self.port = event["port"]
            if "sched" in self.members:
                self.members["sched"].joined = True
            self._timers.pop("start", None)
            return [] if self.stopping else [Action.START]
        if kind == "waiting":
            self.waiting = str(event.get("text", ""))
            return []
        if kind in ("traffic", "resumable"):  # no news of a worker, for which the job may still be waiting
            return []
        member = self._find(event)
        return [] if member is None else self._told(kind, member, event, now)

    def _find(self, event: Event) -> Member | None:
        role, rank = event.get("role", "worker"), event.get("rank") or 0
        return next((m for m in self.members.values() if (m.spec.role, m.spec.rank) == (role, rank)), None)

    def _told(self, kind: str, member: Member, event: Event, now: float) -> list[Action]:
        self.waiting = ""
        if kind in ("arrived", "joined"):  # the scheduler knows it; the job is complete
            member.joined, member.left = True, False
            return self._missing(now) if member.spec.role == "worker" else []
        if kind == "left":
            member.left = True
        elif kind == "progress":
            member.progress = event
        elif kind == "aborted" and self._evidence.suspect is None and not self.stopping:
            self._evidence.suspect, self._evidence.accusation = member, str(event.get("reason", ""))
            self._evidence.lost = event.get("lost") is True
            return self._settle(now) if self._evidence.lost else self._await_cause(now)
        return []

    def _missing(self, now: float) -> list[Action]:
        """A job in which one worker has joined needs all of them; one that has ended already will never come."""
        gone = next((m for m in self.workers if m.code == 0 and not m.joined), None)
        if gone is None or self.stopping:
            return []
        return self._fail(early_exit(gone, "without joining the job that other workers have joined"), now)

    def exited(self, name: str, code: int, now: float, left: bool = False) -> list[Action]:
        """Note that a process ended with `code` (-n: killed by signal n); `left`: a worker that had left the job.

        What the scheduler has said of it before must have been handed to `status` already.
        """
        member = self.members[name]
        member.code = code
        if self.stopping:
            return self._workers_left(now)
        if code == 0:
            return self._ended_well(member, now, left)
        self._evidence.note_failure(member)
        return self._settle(now) if self._evidence.is_clear() else self._await_cause(now)

    def _ended_well(self, member: Member, now: float, left: bool) -> list[Action]:
        if member.spec.role != "worker":
            if self._partial:  # it knows when the whole job is over
                return self._finish(now) if not self.workers else []
            # Servers may end before the launcher has seen the last worker's end: leaving comes first.
            if self._finishing or all(m.joined and m.left for m in self.workers):
                return []
            self._evidence.deserter = self._evidence.deserter or member
            return self._settle(now) if self._evidence.is_clear() else self._await_cause(now)
        if member.inside:
            return self._unanswered(member, now) if left else self._left_behind(member, now)
        if not member.joined and any(m.joined for m in self.workers):
            return self._missing(now)
        if self._evidence.is_clear():
            return self._settle(now)
        return self._finish(now) if all(m.code == 0 for m in self.workers) else []

    def _unanswered(self, member: Member, now: float) -> list[Action]:
        """A worker has done its work and left, but the scheduler has not answered for as long as its lease."""
        if self._evidence.suspect is not None:
            return self._left_behind(member, now)
        text = f"gave no sign of life when {member.spec.name} left"
        return self._fail(Cause(EXIT_FAILURE, text, self.members.get("sched"), remedy=SILENT, died=True), now)

    def _left_behind(self, member: Member, now: float) -> list[Action]:
        """A worker has ended with 0 while the others still count on it, or a wrapper hides its exit code."""
        if self._evidence.suspect not in (None, member):  # it gave up because of that one
            self._evidence.gave_up = self._evidence.gave_up or member
            return self._await_cause(now)
        reason = self._evidence.against(member)
        when = "before its training had ended"
        return self._fail(early_exit(member, when, reason, PIPEFAIL if reason else ""), now)

    def _finish(self, now: float) -> list[Action]:
        """All workers are done. If none has joined, servers wait in vain and are stopped; else they end themselves."""
        self._finishing = True
        self._timers.pop("job", None)  # a job that has done its work in time is not late
        if self._partial:  # workers of other nodes may still need what runs here
            return []
        if not any(worker.joined for worker in self.workers):
            return self._stop(now, at_most=FINISH_WAIT)
        self._timers["finish"] = now + FINISH_WAIT
        return []

    def _await_cause(self, now: float) -> list[Action]:
        self._timers.setdefault("cause", now + PEER_WAIT)
        return self._settle(now) if not any(member.running for member in self.members.values()) else []

    def _settle(self, now: float) -> list[Action]:
        return self._fail(self._evidence.verdict(), now)

    def signalled(self, signum: int, now: float) -> list[Action]:
        """Take a signal to the launcher: it ends the job. Ctrl-C while the job is already being ended kills at once.

        Only SIGINT does: batch systems may send SIGTERM several times and still mean an orderly end.
        """
        how = "interrupted (Ctrl-C)" if signum == signal.SIGINT else f"ended by {signal.Signals(signum).name}"
        if self.again:  # everything is being killed already
            self.again, self.cause = False, Cause(128 + signum, how)
            return []
        if self.stopping:
            return self._ending.kill(now) if signum == signal.SIGINT else []
        self.cause = Cause(128 + signum, how)
        return self._stop(now, interrupt=signum == signal.SIGINT, dump=signum == signal.SIGQUIT)

    def tick(self, now: float) -> list[Action]:
        """Act on the deadlines that have passed by `now`."""
        actions = self._ending.tick(now)
        for name in [name for name, due in self._timers.items() if due <= now]:
            if self._timers.pop(name, None) is not None:  # acting on an earlier one may have removed it
                actions += self._expired(name, now)
        return actions

    def _expired(self, name: str, now: float) -> list[Action]:
        if name == "finish":
            return self._stop(now, at_most=FINISH_WAIT)
        if name == "cause":
            return self._settle(now)
        if name == "job":
            text = f"the job ran longer than --timeout {self._timeout:g} s"
            self.cause = Cause(EXIT_TIMEOUT, text, remedy=self._where())
            return self._stop(now, dump=True)
        text = f"did not report within {self._start_timeout:g} s where it listens"
        return self._fail(Cause(EXIT_FAILURE, text, self.members["sched"]), now)

    def _where(self) -> str:
        return "At that time: " + ", ".join(f"{m.spec.name} {m.state}" for m in self.members.values())

    def _fail(self, cause: Cause, now: float) -> list[Action]:
        if self.stopping:
            return []
        self.cause = cause
        if cause.died and self._restarts.take(now):
            self.again, self._timers = True, {}
            return self._ending.kill(now)
        return self._stop(now)

    def _stop(self, now: float, **how: Any) -> list[Action]:
        self._timers = {}  # nothing else matters any more
        return self._ending.begin(now, any(worker.running for worker in self.workers), **how)
