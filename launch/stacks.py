"""Signals for those processes of a job that handle them, and where each of them stands."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Mapping

from ..common.stack_dump import DUMP_SIGNAL
from .processes import PROC, in_sessions, signal_processes, stat

STATES = {"R": "runs", "S": "sleeps", "D": "waits for a device", "T": "is stopped", "t": "is stopped by a debugger"}


def handles(pid: int, signum: int, ignoring: bool = False) -> bool:
    """Whether a process has a handler for a signal; with `ignoring` also whether it ignores it."""
    names = "SigCgt|SigIgn" if ignoring else "SigCgt"
    with contextlib.suppress(OSError):
        masks = re.findall(rf"^(?:{names}):\s*([0-9a-f]+)$", (PROC / str(pid) / "status").read_text("latin-1"), re.M)
        return any(int(mask, 16) >> (signum - 1) & 1 for mask in masks)
    return False


def handlers(leaders: Mapping[str, int], signum: int, ignoring: bool = False) -> dict[str, list[int]]:
    """The processes that handle a signal, by the name of the job's process in whose session they are.

    A shell in front of a script seldom handles it, and would die of it: only those that do are meant.
    """
    sessions = in_sessions(leaders.values())
    return {
        name: [pid for pid in sessions[leader] if handles(pid, signum, ignoring)] for name, leader in leaders.items()
    }


def pass_on(leaders: Mapping[str, int], signum: int) -> set[str]:
    """Send a signal to all that handle it; returns the names of those that have a handler."""
    found = handlers(leaders, signum)
    for pids in found.values():
        signal_processes(pids, signum)
    return {name for name, pids in found.items() if pids}


def ask(leaders: Mapping[str, int]) -> list[str]:
    """Let everybody print its Python frames; returns a line about each that cannot, as far as the system knows it."""
    able = pass_on(leaders, DUMP_SIGNAL) if DUMP_SIGNAL is not None else set()
    return [_line(name, pid) for name, pid in leaders.items() if name not in able]


def _line(name: str, pid: int) -> str:
    state, place = "", ""
    with contextlib.suppress(OSError):
        state = STATES.get(stat(pid).state, "runs")
        place = (PROC / str(pid) / "wchan").read_text()
    where = f" in {place}" if place not in ("", "0") else ""
    return f"{name} cannot say where it stands, as it has not imported pushgrad: pid {pid} {state}{where}"


def name_of(signum: int) -> str:
    """SIGUSR1 and the like."""
    return signal.Signals(signum).name


def owner(pid: int) -> str:
    """A process for people: its number, name and user."""
    with contextlib.suppress(OSError):
        folder = PROC / str(pid)
        return f"pid {pid} ({(folder / 'comm').read_text('latin-1').strip()}, user {os.stat(folder).st_uid})"  # noqa: PTH116
    return f"pid {pid}"
