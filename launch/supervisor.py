"""Decides what happens to a job: events and the time in, actions out. It knows neither processes nor pipes.

The first failure ends the job, but the first one that is *seen* need not be its cause: when a process dies, its peers
give up soon after and may end first. So the supervisor waits for a few seconds, unless it is clear who failed.
"""

from __future__ import annotations

import enum
import math
import signal
from collections.abc import Sequence

from ..common.errors import EXIT_FAILURE, EXIT_PEER_LOST
from .process_plan import ProcessSpec
from .state import Cause, Member, early_exit, exit_cause
from .status_reader import Event

PEER_WAIT = 5.0  # seconds to wait for the real cause after a process has given up because of a peer; docs/launch.md
FINISH_WAIT = 5.0  # seconds that servers and scheduler have to end by themselves after the last worker
EXIT_TIMEOUT = 124  # as timeout(1)


class Action(enum.Enum):
    """What the runner has to do: start servers and workers, send SIGTERM to all, send SIGKILL to all."""

    START = "start"
    TERM = "term"
    KILL = "kill"


class Supervisor:
    """The state of a job. Each event returns the actions that it leads to; `deadline` says when `tick` is due.

    Times are seconds of one monotonic clock, `now` being the time of the event. `cause` is None as long as all is well.
    A process that exits with 75 gave up because of a peer, and a server that ends with 0 too early may have lost the
    scheduler: they are blamed only if nothing else turns up within PEER_WAIT.
    """

    def __init__(
        self, specs: Sequence[ProcessSpec], now: float, timeout: float | None, grace: float, start_timeout: float
    ) -> None:
        self.members = {spec.name: Member(spec) for spec in specs}
        self.cause: Cause | None = None
        self.port: int | None = None
        self.waiting = ""
        self.stopping = False
        self._finishing = False
        self._grace, self._timeout, self._start_timeout = grace, timeout, start_timeout
        self._suspect: Member | None = None  # whom the scheduler blames, and with what words
        self._accusation = ""
        self._failed: Member | None = None  # the first that ended with an error of its own
        self._gave_up: Member | None = None  # the first that ended because of a peer
        self._deserter: Member | None = None  # the first server or scheduler that ended with 0 before the job was over
        self._timers = {"start": now + start_timeout}  # name -> time at which `_expired` is due
        if timeout is not None:
            self._timers["job"] = now + timeout

    @property
    def over(self) -> bool:
        """Whether no process is running any more and none is to be started."""
        ended = not any(member.running for member in self.members.values())
        return ended and (self.stopping or self._finishing)

    @property
    def exit_code(self) -> int:
        """What `launch` exits with."""
        return 0 if self.cause is None else self.cause.code

    @property
    def workers(self) -> list[Member]:
        """The workers by rank."""
        return [member for member in self.members.values() if member.spec.role == "worker"]

    def deadline(self) -> float | None:
        """The time at which `tick` must be called at the latest; None if nothing is due."""
        return min(self._timers.values(), default=None)

    def started(self, name: str, pid: int) -> None:
        """Note that a process has been started."""
        self.members[name].pid = pid

    def failed_to_start(self, name: str, why: str, now: float) -> list[Action]:
        """Note that a process could not be started: the job fails."""
        return self._fail(Cause(EXIT_FAILURE, f"could not be started: {why}", self.members[name]), now)

    def status(self, event: Event, now: float) -> list[Action]:
        """Take what the scheduler has said; events of an unknown kind or process are ignored."""
        kind = event["event"]
        if kind == "listening" and self.port is None and isinstance(event.get("port"), int):
            self.port = event["port"]
            self._timers.pop("start", None)
            return [] if self.stopping else [Action.START]
        if kind == "waiting":
            self.waiting = str(event.get("text", ""))
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
        elif kind == "aborted" and self._suspect is None and not self.stopping:
            self._suspect, self._accusation = member, str(event.get("reason", ""))
            return self._await_cause(now)
        return []

    def _missing(self, now: float) -> list[Action]:
        """A job in which one worker has joined needs all of them; one that has ended already will never come."""
        gone = next((m for m in self.workers if m.code == 0 and not m.joined), None)
        if gone is None or self.stopping:
            return []
        return self._fail(early_exit(gone, "without joining the job that other workers have joined"), now)

    def exited(self, name: str, code: int, now: float) -> list[Action]:
        """Note that a process ended with `code` (-n: killed by signal n).

        What the scheduler has said of it before must have been handed to `status` already.
        """
        member = self.members[name]
        member.code = code
        if self.stopping:
            return []
        if code == 0:
            return self._ended_well(member, now)
        if code == EXIT_PEER_LOST or self._ends_the_job_for_another(member):
            self._gave_up = self._gave_up or member
        else:
            self._failed = self._failed or member
        return self._settle(now) if self._is_clear() else self._await_cause(now)

    def _is_clear(self) -> bool:
        """Whether a process has failed and none that still runs was in trouble before it: accused, or gone already."""
        if self._failed is None:
            return False
        # One of these that still runs may be about to end with the error that made the other one fail.
        earlier = [self._suspect, *(worker for worker in self.workers if worker.left)]
        return not any(other.running and other is not self._failed for other in earlier if other)

    def _ends_the_job_for_another(self, member: Member) -> bool:
        """The scheduler fails after it has named the process that is to blame: its own exit code is a consequence."""
        return member.spec.role == "scheduler" and self._suspect is not None and self._suspect is not member

    def _ended_well(self, member: Member, now: float) -> list[Action]:
        if member.spec.role != "worker":
            # Servers may end before the launcher has seen the last worker's end: leaving comes first.
            if self._finishing or all(m.joined and m.left for m in self.workers):
                return []
            self._deserter = self._deserter or member
            return self._settle(now) if self._is_clear() else self._await_cause(now)
        if member.inside:
            return self._fail(early_exit(member, "before its training had ended", self._accused(member)), now)
        if not member.joined and any(m.joined for m in self.workers):
            return self._missing(now)
        if self._is_clear():
            return self._settle(now)
        return self._finish(now) if all(m.code == 0 for m in self.workers) else []

    def _accused(self, member: Member) -> str:
        return self._accusation if member is self._suspect else ""

    def _finish(self, now: float) -> list[Action]:
        """All workers are done. If none has joined, servers wait in vain and are stopped; else they end themselves."""
        self._finishing = True
        self._timers.pop("job", None)  # a job that has done its work in time is not late
        if not any(worker.joined for worker in self.workers):
            return self._stop(now, FINISH_WAIT)
        self._timers["finish"] = now + FINISH_WAIT
        return []

    def _await_cause(self, now: float) -> list[Action]:
        self._timers.setdefault("cause", now + PEER_WAIT)
        return self._settle(now) if not any(member.running for member in self.members.values()) else []

    def _settle(self, now: float) -> list[Action]:
        """Decide whom to blame, in the order of how well the cause is known; the last resort is who gave up first.

        A worker that left because it was failing comes first, then whom the scheduler has named, then the first process
        that failed by itself, then a server that ended too early.
        """
        suspect, failed = self._suspect, self._failed
        leaver = next((m for m in self.workers if m.left and m.code not in (None, 0, EXIT_PEER_LOST)), None)
        if leaver is not None:  # it left because it was failing, before the others missed it
            return self._fail(exit_cause(leaver), now)
        if suspect is not None and suspect.code not in (None, 0, EXIT_PEER_LOST):
            return self._fail(exit_cause(suspect, self._accusation), now)
        if suspect is not None and (failed is None or suspect.running):
            return self._fail(Cause(EXIT_FAILURE, "was given up", suspect, self._accusation), now)
        if failed is not None:
            return self._fail(exit_cause(failed), now)
        if self._deserter is not None:
            return self._fail(early_exit(self._deserter, "before the job was over"), now)
        scheduler = self.members.get("sched")
        if scheduler and not any(m.running != (m is scheduler) for m in self.members.values()):
            remedy = "It is stopped (SIGSTOP) or starved of time, or a firewall cuts it off"
            cause = Cause(EXIT_FAILURE, "gave no sign of life, so that all others gave up", scheduler, remedy=remedy)
            return self._fail(cause, now)
        text = "gave up because of another process, but none has failed"
        return self._fail(Cause(EXIT_FAILURE, text, self._gave_up), now)

    def signalled(self, signum: int, now: float) -> list[Action]:
        """Take a signal to the launcher: it stops the job. Ctrl-C while the job is already being stopped kills at once.

        Only SIGINT does: batch systems may send SIGTERM several times and still mean an orderly end.
        """
        if self.stopping:
            return [Action.KILL] if signum == signal.SIGINT else []
        how = "interrupted (Ctrl-C)" if signum == signal.SIGINT else f"ended by {signal.Signals(signum).name}"
        return self._fail(Cause(128 + signum, how), now)

    def tick(self, now: float) -> list[Action]:
        """Act on the deadlines that have passed by `now`."""
        actions: list[Action] = []
        for name in [name for name, due in self._timers.items() if due <= now]:
            if self._timers.pop(name, None) is not None:  # acting on an earlier one may have removed it
                actions += self._expired(name, now)
        return actions

    def _expired(self, name: str, now: float) -> list[Action]:
        if name == "grace":
            return [Action.KILL]
        if name == "finish":
            return self._stop(now, FINISH_WAIT)
        if name == "cause":
            return self._settle(now)
        if name == "job":
            text = f"the job ran longer than --timeout {self._timeout:g} s"
            return self._fail(Cause(EXIT_TIMEOUT, text, remedy=self._where()), now)
        text = f"did not report within {self._start_timeout:g} s where it listens"
        return self._fail(Cause(EXIT_FAILURE, text, self.members["sched"]), now)

    def _where(self) -> str:
        return "At that time: " + ", ".join(f"{m.spec.name} {m.state}" for m in self.members.values())

    def _fail(self, cause: Cause, now: float) -> list[Action]:
        if self.stopping:
            return []
        self.cause = cause
        return self._stop(now)

    def _stop(self, now: float, at_most: float = math.inf) -> list[Action]:
        self.stopping = True
        self._timers = {"grace": now + min(self._grace, at_most)}  # nothing else matters any more
        return [Action.TERM]
