"""In which order the processes of a job are ended: workers first, as they may want to save with the servers' help.

A state machine without processes, like the supervisor that owns it: time and news in, actions out.
"""

from __future__ import annotations

import enum
import math

FINISH_WAIT = 5.0  # seconds that servers and scheduler have to end by themselves after the last worker
DUMP_WAIT = 1.0  # seconds in which workers print where they stand, before they are ended
KILL_WAIT = 5.0  # seconds after SIGKILL when what is still there is given up: it hangs in the kernel, or is not ours


class Action(enum.Enum):
    """What the runner has to do. INTERRUPT is SIGINT, TERM is SIGTERM; KILL, to all, is SIGKILL."""

    START = "start servers and workers"
    DUMP = "let everybody print where it stands"
    INTERRUPT = "interrupt the workers"
    TERM = "terminate the workers"
    KILL_WORKERS = "kill the workers"
    TERM_REST = "terminate servers and scheduler"
    KILL = "kill everybody"


class Ending:
    """Begins with `begin`; `due` is when `tick` must be called, and `given_up` that no more can be done.

    Times are seconds of a monotonic clock. After Ctrl-C, workers have the whole grace period to end by themselves, and
    a moment more after the SIGTERM that follows.
    """

    def __init__(self, grace: float) -> None:
        self._patience = grace
        self._interrupt = False
        self._phase = ""
        self.due: float | None = None
        self.given_up = False

    @property
    def begun(self) -> bool:
        """Whether the job is being ended."""
        return bool(self._phase)

    def begin(
        self, now: float, workers: bool, *, interrupt: bool = False, dump: bool = False, at_most: float = math.inf
    ) -> list[Action]:
        """Begin to end the job; `workers` says whether any of them runs, `dump` that all say where they stand first."""
        self._patience, self._interrupt = min(self._patience, at_most), interrupt
        if dump and workers:
            return self._enter("dump", now + DUMP_WAIT, Action.DUMP)
        return self._workers(now) if workers else self._rest(now)

    def workers_gone(self, now: float) -> list[Action]:
        """Note that no worker runs any more."""
        return self._rest(now) if self._phase in ("dump", "interrupt", "term") else []

    def kill(self, now: float) -> list[Action]:
        """Somebody has lost patience."""
        return self._enter("kill", now + KILL_WAIT, Action.KILL)

    def tick(self, now: float) -> list[Action]:
        """Act if `due` has come."""
        if self.due is None or now < self.due:
            return []
        if self._phase == "dump":
            return self._workers(now)
        if self._phase == "interrupt":
            return self._enter("term", now + self._moment, Action.TERM)
        if self._phase == "term":
            return [Action.KILL_WORKERS, *self._rest(now)]
        if self._phase == "rest":
            return self.kill(now)
        self.due, self.given_up = None, True
        return []

    def shift(self, seconds: float) -> None:
        """The job stood still for so long: the time does not count."""
        self.due = None if self.due is None else self.due + seconds

    @property
    def _moment(self) -> float:
        return min(self._patience, FINISH_WAIT)

    def _workers(self, now: float) -> list[Action]:
        if self._interrupt:
            return self._enter("interrupt", now + self._patience, Action.INTERRUPT)
        return self._enter("term", now + self._patience, Action.TERM)

    def _rest(self, now: float) -> list[Action]:
        return self._enter("rest", now + self._moment, Action.TERM_REST)

    def _enter(self, phase: str, due: float, action: Action) -> list[Action]:
        self._phase, self.due = phase, due
        return [action]
