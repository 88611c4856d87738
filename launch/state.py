"""What is known of each process of a job, and why the job ended. supervisor.py keeps it up to date."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

from ..common.errors import EXIT_FAILURE, exit_reason
from .process_plan import ProcessSpec
from .status_reader import Event

AT_WORK = {"worker": "joined", "server": "serving", "scheduler": "listening"}  # what a process does that has joined


@dataclass
class Member:
    """One process of a job. `code` is its exit status as `subprocess` gives it: -n if signal n killed it.

    `pid` is None before the start, `code` None before the end; `lost` says that we shall never know it. `joined` and
    `left` are what the scheduler has said of it, `progress` the last event in which it told how far it is.
    """

    spec: ProcessSpec
    pid: int | None = None
    code: int | None = None
    joined: bool = False
    left: bool = False
    lost: bool = False
    progress: Event = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended, as far as we know."""
        return self.pid is not None and self.code is None and not self.lost

    @property
    def inside(self) -> bool:
        """Whether it has joined the job and not left it: then the others still count on it."""
        return self.joined and not self.left

    @property
    def state(self) -> str:
        """One word for the progress view."""
        # From the latest to the earliest, as each of these stays true when the next has come.
        if self.code is not None:
            return "done" if self.code == 0 else signal_name(self.code) or f"exit {self.code}"
        if self.lost:
            return "lost"
        if self.pid is None:
            return "waiting"
        if self.left:
            return "left"
        if self.progress:
            return "training"
        return AT_WORK[self.spec.role] if self.joined else "starting"


@dataclass(frozen=True)
class Cause:
    """Why the job failed: the exit code of `launch`, what happened, and the process to blame, if any.

    `reason` is what the scheduler said about it, `remedy` what the user can do. `died` says that the process did not
    end by itself: a signal killed it, or nothing was heard of it any more.
    """

    code: int
    text: str
    member: Member | None = None
    reason: str = ""
    remedy: str = ""
    died: bool = False


def signal_name(code: int) -> str | None:
    """The name of the signal that killed a process: `SIGKILL` for -9; None for an exit code of its own."""
    if code >= 0:
        return None
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def shell_code(code: int) -> int:
    """The exit code that a shell would show: 128 + n for death by signal n."""
    return 128 - code if code < 0 else code


def exit_cause(member: Member, reason: str = "") -> Cause:
    """The Cause when `member` ended with an error."""
    code = member.code or EXIT_FAILURE  # never 0: a failed job must not look like a success
    reason = "" if reason == exit_reason(code) else reason  # it would say the same twice
    name = signal_name(code)
    remedy = "Killed from outside: by hand, by a limit, or for lack of memory (see `dmesg`)" if code == -9 else ""
    text = f"was killed by {name}" if name else f"exited with code {code}"
    return Cause(shell_code(code), text, member, reason, remedy, died=code < 0)


def early_exit(member: Member, when: str, reason: str = "", remedy: str = "") -> Cause:
    """The Cause when `member` ended with 0 although the job still needed it; `when` completes the sentence."""
    return Cause(EXIT_FAILURE, f"exited with code 0 {when}", member, reason, remedy)
