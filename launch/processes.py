"""Finding and ending the processes of a job, even those whose parent is gone.

A process belongs to a job if it is in the session or process group of one of the job's processes, or if it carries the
job's id in its environment. The latter also finds a child that was started in the instant before its launcher died, and
grandchildren that made sessions of their own; the former finds those that have cleared their environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

PROC = Path("/proc")
POLL = 0.03  # seconds between looks at /proc: most of the processes are not our children and cannot be waited for


def members(leaders: Iterable[int], job_id: str) -> list[int]:
    """The pids of the living processes of a job, ours excepted. `leaders` were started as leaders of their sessions."""
    wanted, mark = set(leaders), b"PUSHGRAD_JOB_ID=" + os.fsencode(job_id)
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError, ValueError):  # it has ended meanwhile
                state, group, session = _stat(entry)
                if state not in "ZX" and ({group, session} & wanted or _carries(entry, mark)):
                    found.append(int(entry.name))
    return found


def _stat(entry: Path) -> tuple[str, int, int]:
    """State letter, process group and session. The name in parentheses may hold anything, so the last one counts."""
    fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
    return fields[0].decode(), int(fields[2]), int(fields[3])


def _carries(entry: Path, mark: bytes) -> bool:
    with contextlib.suppress(OSError):  # another user's, which we could not end either
        return mark in (entry / "environ").read_bytes().split(b"\0")
    return False


def signal_groups(leaders: Iterable[int], signum: int) -> None:
    """Send a signal to each leader's process group. TERM also wakes stopped groups, or they could not act on it."""
    for leader in leaders:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signum)
            if signum == signal.SIGTERM:
                os.killpg(leader, signal.SIGCONT)


def signal_processes(pids: Iterable[int], signum: int) -> None:
    """Send a signal to each process that still exists. TERM also wakes stopped ones."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signum)
            if signum == signal.SIGTERM:
                os.kill(pid, signal.SIGCONT)


def end_all(leaders: Iterable[int], job_id: str, patience: float, hurry: Callable[[], bool] = lambda: False) -> int:
    """End every process of the job: TERM, then KILL to those left after `patience` seconds. Returns their number.

    `hurry` is asked every POLL seconds; KILL follows at once when it says so.
    """
    leaders = list(leaders)
    found = members(leaders, job_id)
    signal_processes(found, signal.SIGTERM)
    left = _wait(leaders, job_id, patience, hurry) if found else []
    while left:  # until there are none: a dying process may have forked
        signal_processes(left, signal.SIGKILL)
        left = _wait(leaders, job_id, 0.5, lambda: False)
    return len(found)


def _wait(leaders: list[int], job_id: str, patience: float, hurry: Callable[[], bool]) -> list[int]:
    end = time.monotonic() + patience
    while (left := members(leaders, job_id)) and time.monotonic() < end and not hurry():
        time.sleep(POLL)
    return left
