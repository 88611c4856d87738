"""Runs in words, for people."""

from __future__ import annotations

import time

from .files import Record
from .stored import Run


def when(run: Run) -> str:
    """When a run began, in local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.began))


def duration(seconds: float) -> str:
    """Seconds as `42.0 s`, `1:05 min` or `3:04:05 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02} h" if hours else f"{minutes}:{left:02} min"


def outcome(run: Run) -> str:
    """How a run stands, as the end of a sentence about it."""
    state, end = run.state, run.end
    took = duration(run.seconds) if run.seconds is not None else ""
    if state == "running":
        return f"running for {took}"
    if state == "lost":
        return "lost: its launch has ended without a word, as after SIGKILL or a power cut"
    if state == "unknown":
        host = run.launcher.host if run.launcher else "another host"
        return f"started on {host}, and has not ended as far as this host can tell"
    if state == "done":
        return f"done in {took}"
    who = f"{end['process']} " if "process" in end else ""
    why = "".join(f". {end[key]}" for key in ("reason", "remedy") if key in end)
    return f"{state} with code {run.code} after {took}: {who}{end.get('text', '')}{why}"


def restarted(event: Record) -> str:
    """The last restart of a run."""
    who = f"{event['process']} " if "process" in event else ""
    begun = time.strftime("%H:%M:%S", time.localtime(event["time"]))
    left = event["left"]
    return f"generation {event['generation']} since {begun}: {who}{event.get('text', '')}; restarts left: {left}"
