"""Finding and ending the processes of a job, even those whose parent is gone.

A process belongs to a job if it is in the session or process group of one of the job's processes, if its environment
has the job's id and generation, or if it descends from one that does. The second also finds a child that was started in
the instant before its launcher died, and grandchildren that made sessions of their own; the others find those that have
cleared their environment. Whoever has done all of that and lost its parent is found by orphans.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
POLL = 0.03  # seconds between looks at /proc: most of the processes are not our children and cannot be waited for
KILL_WAIT = 5.0  # seconds after the first KILL when what is still there is given up


@dataclass(frozen=True)
class Stat:
    """What /proc says of a process: state letter, parent, process group and session."""

    state: str
    parent: int
    group: int
    session: int


def stat(pid: int) -> Stat:
    """Look at a process; raises OSError if there is none. Its name may hold anything: the last parenthesis counts."""
    fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    return Stat(fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]))


def members(leaders: Iterable[int], marks: Iterable[str]) -> list[int]:
    """The pids of the living processes of a job, ours excepted. `leaders` were started as leaders of their sessions.

    `marks` are settings, `NAME=value`, that a process's environment has if it belongs to the job.
    """
    wanted, marked = set(leaders), {os.fsencode(mark) for mark in marks}
    seen: dict[int, Stat] = {}
    found: set[int] = set()
    for entry in PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError, ValueError):  # it has ended meanwhile
                pid = int(entry.name)
                seen[pid] = item = stat(pid)
                if {item.group, item.session} & wanted or _carries(entry, marked):
                    found.add(pid)
    fresh = found
    while fresh := {pid for pid, item in seen.items() if item.parent in fresh} - found:
        found |= fresh
    return sorted(pid for pid in found if seen[pid].state not in "ZX")


def in_sessions(leaders: Iterable[int]) -> dict[int, list[int]]:
    """The living processes in each leader's session, by leader."""
    found: dict[int, list[int]] = {leader: [] for leader in leaders}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                item = stat(int(entry.name))
                if item.state not in "ZX" and item.session in found:
                    found[item.session].append(int(entry.name))
    return found


def _carries(entry: Path, marks: set[bytes]) -> bool:
    with contextlib.suppress(OSError):  # another user's, which we could not end either
        return marks <= set((entry / "environ").read_bytes().split(b"\0"))
    return False


def group_lives(leader: int) -> bool:
    """Whether a process group has a member; one that has ended counts until its parent has collected its exit code."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # there is somebody, with another user's rights
        pass
    return True


def signal_groups(leaders: Iterable[int], signum: int) -> None:
    """Send a signal to each leader's process group. TERM and INT also wake stopped groups, or they could not act."""
    for leader in leaders:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signum)
            if signum in (signal.SIGTERM, signal.SIGINT):
                os.killpg(leader, signal.SIGCONT)


def signal_processes(pids: Iterable[int], signum: int) -> set[int]:
    """Send a signal to each process that still exists; returns those that may not get it. TERM wakes stopped ones."""
    forbidden = set()
    for pid in pids:
        try:
            os.kill(pid, signum)
            if signum == signal.SIGTERM:
                os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass
        except PermissionError:
            forbidden.add(pid)
    return forbidden


def end_all(find: Callable[[], list[int]], patience: float, hurry: Callable[[], bool] = lambda: False) -> list[int]:
    """End every process that `find` finds: TERM, then KILL to those left after `patience` seconds.

    `hurry` is asked every POLL seconds; KILL follows at once when it says so. Returns the pids of those that cannot be
    ended: they belong to somebody else, or hang in the kernel.
    """
    found = find()
    forbidden = signal_processes(found, signal.SIGTERM)
    left = _wait(find, forbidden, patience, hurry) if found else []
    end = time.monotonic() + KILL_WAIT
    while set(left) - forbidden and time.monotonic() < end:  # until there are none: a dying process may have forked
        forbidden |= signal_processes(left, signal.SIGKILL)
        left = _wait(find, forbidden, 0.5, lambda: False)
    return left


def _wait(find: Callable[[], list[int]], beyond: set[int], patience: float, hurry: Callable[[], bool]) -> list[int]:
    """Wait for the end of all but those `beyond` our reach, which may end with the others; returns who is left."""
    end = time.monotonic() + patience
    while set(left := find()) - beyond and time.monotonic() < end and not hurry():
        time.sleep(POLL)
    return left
