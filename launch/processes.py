"""Finding and ending the processes of a job, even those whose parent is gone.

A process belongs to a job if it lies in the session or process group of one of the job's processes, or if it carries
the job's id in its environment: that also catches a child that was started in the instant before its launcher died, and
grandchildren that made sessions of their own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

PROC = Path("/proc")
POLL = 0.03  # seconds between looks at processes that are not our children


def members(leaders: Iterable[int], job_id: str) -> list[int]:
    """The living processes of a job. `leaders` are pids that were started as leaders of their session."""
    wanted, mark = set(leaders), b"PUSHGRAD_JOB_ID=" + os.fsencode(job_id)
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError, ValueError):
                state, group, session = _stat(entry)
                if state not in "ZX" and ({group, session} & wanted or _carries(entry, mark)):
                    found.append(int(entry.name))
    return found


def _stat(entry: Path) -> tuple[str, int, int]:
    """State letter, process group and session. The name in parentheses may hold anything, so the last one counts."""
    fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
    return fields[0].decode(), int(fields[2]), int(fields[3])


def _carries(entry: Path, mark: bytes) -> bool:
    with contextlib.suppress(OSError):
        return mark in (entry / "environ").read_bytes().split(b"\0")
    return False


def signal_groups(leaders: Iterable[int], signum: int) -> None:
    """Send a signal to each leader's process group; TERM also wakes groups that are stopped."""
    for leader in leaders:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signum)
            if signum == signal.SIGTERM:
                os.killpg(leader, signal.SIGCONT)


def signal_processes(pids: Iterable[int], signum: int) -> None:
    """Send a signal to each process; those that are gone already are none of our concern."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signum)
            if signum == signal.SIGTERM:
                os.kill(pid, signal.SIGCONT)


def end_all(leaders: Iterable[int], job_id: str, patience: float, hurry: Callable[[], bool] = lambda: False) -> int:
    """TERM to every process of the job, KILL to those left after `patience` seconds; returns how many there were.

    `hurry` is asked between looks; KILL follows at once when it says so.
    """
    leaders = list(leaders)
    found = members(leaders, job_id)
    signal_processes(found, signal.SIGTERM)
    left = _wait(leaders, job_id, patience, hurry) if found else []
    while left:  # again and again: a dying process may have forked
        signal_processes(left, signal.SIGKILL)
        left = _wait(leaders, job_id, 0.5, lambda: False)
    return len(found)


def _wait(leaders: list[int], job_id: str, patience: float, hurry: Callable[[], bool]) -> list[int]:
    end = time.monotonic() + patience
    while (left := members(leaders, job_id)) and time.monotonic() < end and not hurry():
        time.sleep(POLL)
    return left
