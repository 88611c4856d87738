"""Processes whose parent has ended, handed to the launcher by the kernel: it is their "subreaper".

A grandchild that has made a session of its own and cleared its environment is found in no other way. The launcher must
be a process of its own for that: in a notebook, other people's orphans would come, too.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

from .processes import stat

PR_SET_CHILD_SUBREAPER = 36


class Orphans:
    """Makes this process the subreaper, if `wanted`; what is its child already is no orphan of the job."""

    def __init__(self, wanted: bool) -> None:
        self._known: set[int] = set()
        self._wanted = wanted
        if wanted:
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            self._known = set(_children())

    def know(self, pid: int) -> None:
        """Take a child for one that somebody waits for."""
        self._known.add(pid)

    def sessions(self) -> set[int]:
        """The sessions of living orphans. The exit codes of dead ones are collected, so that they vanish."""
        found = set()
        for pid in _children() if self._wanted else []:
            if pid in self._known:
                continue
            with contextlib.suppress(OSError):
                item = stat(pid)
                if item.state == "Z":
                    os.waitpid(pid, os.WNOHANG)
                elif item.session != os.getsid(0):
                    found.add(item.session)
        return found


def _children() -> list[int]:
    found: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):  # a list for each thread that started them
        with contextlib.suppress(OSError):
            found += map(int, path.read_bytes().split())
    return found
