"""What a job waits for, said when it takes long: before its workers have joined, and while its processes end."""

from __future__ import annotations

from collections.abc import Sequence

from .state import Member

LONG = 10.0  # seconds of waiting for one thing after which it is said


class Waits:
    """Says each thing once, when the job has waited for it for LONG seconds."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._text, self._since, self._said = "", 0.0, False

    def news(self, members: Sequence[Member], listening: bool, stopping: bool, now: float) -> str | None:
        """The line to show now, or None. `listening` is whether the scheduler has said where."""
        text = waits_for(members, listening, stopping, self._grace)
        if text != self._text:
            self._text, self._since, self._said = text, now, False
        if not text or self._said or now - self._since < LONG:
            return None
        self._said = True
        return text


def waits_for(members: Sequence[Member], listening: bool, stopping: bool, grace: float) -> str:
    """What the job waits for, as a line; empty if it is at work, or if the scheduler knows better."""
    running = [member for member in members if member.running]
    workers = [member for member in running if member.spec.role == "worker"]
    if stopping and running:
        return f"waiting for {_names(running)} to end; what is left {grace:g} s after SIGTERM is killed"
    if running and not listening:
        return "waiting for the scheduler to say where it listens"
    # As soon as one has joined, the scheduler says who is missing.
    if workers and not any(member.joined for member in members if member.spec.role == "worker"):
        return f"no worker has joined the job so far ({_names(workers)} run): mx.kv.create, fit or mx.rank() joins it"
    return ""


def _names(members: Sequence[Member]) -> str:
    names = [member.spec.name for member in members]
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:7])} and {len(names) - 7} more"
