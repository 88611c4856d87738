"""Who is to blame for the end of a job: what has been seen, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..common.errors import EXIT_FAILURE, EXIT_PEER_LOST, exit_reason
from .state import Cause, Member, early_exit, exit_cause

SILENT = "It is stopped (SIGSTOP) or starved of time, or a firewall cuts it off"


@dataclass
class Evidence:
    """Each field is the first of its kind. `members` are the processes of the job.

    `suspect` is whom the scheduler blames, `accusation` in what words, `lost` if it is not heard any more or cannot
    reach another; `failed` ended with an error of its own, `gave_up` because of a peer; `deserter` is a server or
    scheduler that ended with 0 before the job was over.
    """

    members: Sequence[Member]
    suspect: Member | None = None
    accusation: str = ""
    lost: bool = False
    failed: Member | None = None
    gave_up: Member | None = None
    deserter: Member | None = None

    @property
    def workers(self) -> list[Member]:
        """The workers by rank."""
        return [member for member in self.members if member.spec.role == "worker"]

    def note_failure(self, member: Member) -> None:
        """Note that `member` ended with an error, which may be a consequence of another's."""
        if self._is_a_consequence(member):
            self.gave_up = self.gave_up or member
        else:
            self.failed = self.failed or member

    def is_clear(self) -> bool:
        """Whether a process has failed and none that still runs was in trouble before it: accused, or gone already."""
        if self.failed is None:
            return False
        # One of these that still runs may be about to end with the error that made the other one fail.
        earlier = [self.suspect, *(worker for worker in self.workers if worker.left)]
        return not any(other.running and other is not self.failed for other in earlier if other)

    def against(self, member: Member) -> str:
        """What the scheduler has against `member`."""
        return self.accusation if member is self.suspect else ""

    def _is_a_consequence(self, member: Member) -> bool:
        if member.code == EXIT_PEER_LOST and member.spec.role == "worker":
            # The script's own sys.exit(75), if it was no part of the job, had left it, or has said so itself.
            own = not member.joined or member.left or self.against(member) == exit_reason(EXIT_PEER_LOST)
            return not own
        # The scheduler fails after it has named the process that is to blame.
        accuser = member.spec.role == "scheduler" and self.suspect not in (None, member)
        return member.code == EXIT_PEER_LOST or accuser

    def _silent_scheduler(self) -> Member | None:
        """The scheduler if it is the only process that still runs."""
        running = [member for member in self.members if member.running]
        return running[0] if [member.spec.role for member in running] == ["scheduler"] else None

    def verdict(self) -> Cause:
        """Whom to blame, in the order of how well the cause is known; the last resort is who gave up first.

        A worker that left because it was failing comes first, then whom the scheduler has named, then the first process
        that failed by itself, then a server that ended too early.
        """
        suspect, failed = self.suspect, self.failed
        leaver = next((m for m in self.workers if m.left and m.code not in (None, 0)), None)
        if leaver is not None:  # it left because it was failing, before the others missed it
            return exit_cause(leaver)
        if suspect is not None and suspect.code not in (None, 0) and not self._is_a_consequence(suspect):
            return exit_cause(suspect, self.accusation)
        if suspect is not None and (failed is None or suspect.running):
            return Cause(EXIT_FAILURE, "was given up", suspect, self.accusation, died=self.lost)
        if failed is not None:
            return exit_cause(failed)
        if self.deserter is not None:
            return early_exit(self.deserter, "before the job was over")
        if scheduler := self._silent_scheduler():
            text = "gave no sign of life, so that all others gave up"
            return Cause(EXIT_FAILURE, text, scheduler, remedy=SILENT, died=True)
        text = "gave up because of another process, but none has failed"  # that one stood still, or the way to it did
        return Cause(EXIT_FAILURE, text, self.gave_up, died=True)
