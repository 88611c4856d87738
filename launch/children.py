"""The running processes of a job: each leads a session of its own, and the keeper knows them all."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import IO

from .keeper import Keeper
from .process_plan import ProcessSpec
from .processes import end_all, signal_groups


class Children:
    """Starts processes and collects their ends. `wake` is called, from another thread, when one has ended."""

    def __init__(self, environ: Mapping[str, str], keeper: Keeper, wake: Callable[[], None]) -> None:
        self._environ, self._keeper, self._wake = environ, keeper, wake
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._leaders: set[int] = set()
        self._ended: deque[str] = deque()

    def start(
        self, spec: ProcessSpec, extra: Mapping[str, str], pass_fds: tuple[int, ...]
    ) -> tuple[int, IO[bytes], IO[bytes]]:
        """Start a process; returns its pid and the pipes of its output and errors. Raises OSError.

        Standard input is /dev/null: no process of a job can own the terminal.
        """
        child = subprocess.Popen(
            spec.argv,
            env={**self._environ, **spec.env, **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            pass_fds=pass_fds,
        )
        assert child.stdout is not None and child.stderr is not None
        self._keeper.watch(child.pid)
        self._leaders.add(child.pid)
        self._running[spec.name] = child
        threading.Thread(target=self._await_exit, args=(spec.name, child.pid), daemon=True).start()
        return child.pid, child.stdout, child.stderr

    def _await_exit(self, name: str, pid: int) -> None:
        """In a thread. The process is not reaped here, so that its number stays its own until its end is known."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        self._ended.append(name)
        self._wake()

    def next_exit(self) -> tuple[str, int] | None:
        """The name and exit status of a process that has ended, in the order in which they did; None if none has."""
        if not self._ended:
            return None
        name = self._ended.popleft()
        child = self._running.pop(name)
        code = child.wait()
        if not _group_lives(child.pid):
            self._leaders.discard(child.pid)
            self._keeper.forget(child.pid)
        return name, code

    def signal(self, signum: int) -> None:
        """Send a signal to the process group of every process that has not ended."""
        signal_groups([child.pid for child in self._running.values()], signum)

    def clear_up(self, job_id: str, patience: float, hurry: Callable[[], bool]) -> None:
        """End whatever is left of the job, also what its processes have started and left behind, and the keeper."""
        end_all(self._leaders, job_id, patience, hurry)
        for child in self._running.values():
            child.wait()
        self._keeper.close()


def _group_lives(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
