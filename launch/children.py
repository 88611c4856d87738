"""The running processes of a job: each leads a session of its own, and the keeper knows them all.

Everything is called from the runner's thread; only waiting for the end of each process happens in a thread of its own.
"""

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
    """Starts processes and collects their exit statuses.

    `environ` is what all of them inherit. `wake` is called, from another thread, whenever one has ended.
    """

    def __init__(self, environ: Mapping[str, str], keeper: Keeper, wake: Callable[[], None]) -> None:
        self._environ, self._keeper, self._wake = environ, keeper, wake
        self._running: dict[str, subprocess.Popen[bytes]] = {}  # those whose end has not been collected
        self._leaders: set[int] = set()  # of sessions in which something may still live, ended ones included
        self._ended: deque[str] = deque()  # the waiting threads append, the runner takes: a deque needs no lock

    def start(
        self, spec: ProcessSpec, extra: Mapping[str, str], pass_fds: tuple[int, ...]
    ) -> tuple[int, IO[bytes], IO[bytes]]:
        """Start a process with `extra` variables and these file descriptors; returns its pid, output and error pipes.

        Standard input is /dev/null: no process of a job can own the terminal. A session of its own keeps the terminal's
        Ctrl-C from it: it would get the signal twice. Raises OSError if it cannot be started.
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
        # If the launcher is killed before this line, the keeper finds the process by its environment (processes.py).
        self._keeper.watch(child.pid)
        self._leaders.add(child.pid)
        self._running[spec.name] = child
        threading.Thread(target=self._await_exit, args=(spec.name, child.pid), daemon=True).start()
        return child.pid, child.stdout, child.stderr

    def _await_exit(self, name: str, pid: int) -> None:
        """Run in a thread: wait for the end of a process without reaping it.

        Until `next_exit` reaps it, its pid cannot be given to another process, so `signal` cannot hit a stranger.
        """
        with contextlib.suppress(ChildProcessError):  # `clear_up` has reaped it
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        self._ended.append(name)
        self._wake()

    def next_exit(self) -> tuple[str, int] | None:
        """The name and exit status (as subprocess gives it) of the next process that has ended; None if none has."""
        if not self._ended:
            return None
        name = self._ended.popleft()
        child = self._running.pop(name)
        code = child.wait()
        # While its group has members, their group id keeps the system from reusing the number, so it may stay listed.
        if not _group_lives(child.pid):
            self._leaders.discard(child.pid)
            self._keeper.forget(child.pid)
        return name, code

    def signal(self, signum: int) -> None:
        """Send a signal to the process group of every process that has not ended."""
        signal_groups([child.pid for child in self._running.values()], signum)

    def clear_up(self, job_id: str, patience: float, hurry: Callable[[], bool]) -> None:
        """End whatever is left of the job, including what its processes have started and left behind, and the keeper.

        `patience` is the time in seconds between TERM and KILL; once `hurry` says so, KILL follows at once. The keeper
        ends last: until then it would do the same if the launcher died here.
        """
        end_all(self._leaders, job_id, patience, hurry)
        # Reaped only now: `_leaders` were safe to search for as long as their pids could not be reused.
        for child in self._running.values():
            child.wait()
        self._keeper.close()


def _group_lives(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # there is somebody, with another user's rights
        pass
    return True
