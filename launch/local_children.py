"""The processes of a job on this host: each leads a session of its own, and the keeper knows them all.

Everything is called from the runner's thread. There are no others: a system that has no room for a thread still lets a
job end in order.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from ..common.left_files import DEATH, left_mark
from .children import Ended
from .keeper import Keeper
from .orphans import Orphans
from .process_plan import ProcessSpec
from .processes import end_all, group_lives, members, signal_groups
from .spare import Forked, Spare, is_script
from .stacks import ask, handlers, owner, pass_on
from .status_reader import StatusReader


class LocalChildren:
    """Starts processes and collects their exit statuses.

    `environ` is what all of them inherit, `folder` the job's. `selector` wakes up when one has ended, if the system
    knows pidfds; without them one must look now and then.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        folder: Path,
        keeper: Keeper,
        orphans: Orphans,
        selector: selectors.BaseSelector,
        spare: Spare | None = None,
    ) -> None:
        self._environ, self._keeper, self._orphans, self._selector = environ, keeper, orphans, selector
        self._folder, self._spare = folder, spare
        orphans.know(keeper.pid)
        self._running: dict[str, subprocess.Popen[bytes] | Forked] = {}  # those whose end has not been collected
        self._handles: dict[str, int] = {}  # pidfds
        self._leaders: set[int] = set()  # of sessions in which something may still live, ended ones included
        self._ended: deque[str] = deque()
        self._lingering: list[tuple[str, int, int]] = []  # name, exit status and group of those that are held back

    @property
    def opening(self) -> bool:
        """Never: this host is there."""
        return False

    def start(self, spec: ProcessSpec, status: StatusReader) -> tuple[int, IO[bytes], IO[bytes]]:
        """Start a process; returns its pid, output and error pipes. The scheduler inherits the status pipe.

        The process is told which pipe its output is, as it may say there what only `launch` understands (repeats.py).
        Standard input is /dev/null: no process of a job can own the terminal. A session of its own keeps the terminal's
        Ctrl-C from it: it would get the signal twice. Raises OSError if it cannot be started.
        """
        with contextlib.ExitStack() as ends, contextlib.ExitStack() as undo:
            output, errors = (_pipe(ends, undo) for _ in range(2))
            fds = [output[1], errors[1], *([status.write_fd] if spec.role == "scheduler" else [])]
            child = self._begin(spec, fds)
            undo.pop_all()
        # If the launcher is killed before this line, the keeper finds the process by its environment (processes.py).
        self._keeper.watch(child.pid)
        self._orphans.know(child.pid)
        self._leaders.add(child.pid)
        self._running[spec.name] = child
        with contextlib.suppress(OSError):  # too old a system, or too many files
            self._handles[spec.name] = os.pidfd_open(child.pid)
            self._selector.register(self._handles[spec.name], selectors.EVENT_READ)
        return child.pid, os.fdopen(output[0], "rb", buffering=0), os.fdopen(errors[0], "rb", buffering=0)

    def _begin(self, spec: ProcessSpec, fds: Sequence[int]) -> subprocess.Popen[bytes] | Forked:
        """The process, whose output, errors and, if there is one, status pipe `fds` are."""
        environ = {**self._environ, **spec.env, "PUSHGRAD_OUTPUT": str(os.fstat(fds[0]).st_ino)}
        if self._spare is not None and (forked := self._spare.start(spec.argv, environ, fds)) is not None:
            return forked
        if status := fds[2:]:
            environ["PUSHGRAD_STATUS_FD"] = str(status[0])
        return subprocess.Popen(
            spec.argv,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=fds[0],
            stderr=fds[1],
            start_new_session=True,
            pass_fds=status,
        )

    def _pids(self, names: Iterable[str]) -> dict[str, int]:
        """The pids of those of `names` that have not ended."""
        return {name: self._running[name].pid for name in names if name in self._running}

    def next_news(self, whole: bool) -> Ended | None:
        """The next process that has ended; None if none has.

        If it must have ended as a `whole`, one counts only when its process group is empty: a shell in front of the
        script may be gone while the script still finishes its work.
        """
        self._look()
        if self._ended:
            name = self._ended.popleft()
            child = self._running[name]
            self._lingering.append((name, self._collect(name), child.pid))
        for item in list(self._lingering):
            name, code, leader = item
            lives = group_lives(leader)
            if not (lives and whole):
                self._lingering.remove(item)
                # While its group has members, their group id keeps the system from reusing the number.
                if not lives:
                    self._forget(leader)
                return Ended(name, code, (self._folder / left_mark(name)).exists())
        return None

    def _look(self) -> None:
        for name, child in self._running.items():
            if name not in self._ended:
                # Not collected yet: until it is, its pid cannot be given to another process.
                with contextlib.suppress(ChildProcessError):
                    if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                        continue
                self._ended.append(name)

    def _collect(self, name: str) -> int:
        handle = self._handles.pop(name, None)
        if handle is not None:
            self._selector.unregister(handle)
            os.close(handle)
        return self._running.pop(name).wait()

    def _forget(self, leader: int) -> None:
        self._leaders.discard(leader)
        self._keeper.forget(leader)

    def handle(self, names: Iterable[str], signum: int) -> bool:
        """Whether each of `names` that runs handles or ignores a signal; False if none runs."""
        return all(handlers(self._pids(names), signum, ignoring=True).values() or [False])

    def pass_on(self, names: Iterable[str], signum: int) -> set[str]:
        """Send a signal to those processes that handle it; returns the names of those that do."""
        return pass_on(self._pids(names), signum)

    def ask(self, names: Iterable[str]) -> list[str]:
        """Let everybody print its Python frames; returns a line about each that cannot."""
        return ask(self._pids(names))

    def tend(self) -> None:
        """Take care of orphans that the job's processes have left behind."""
        for session in self._orphans.sessions() - self._leaders:
            self._leaders.add(session)
            self._keeper.watch(session)

    def signal(self, signum: int, names: Iterable[str]) -> None:
        """Send a signal to the process groups of those of `names` that have not ended."""
        wanted = set(names)
        groups = [child.pid for name, child in self._running.items() if name in wanted]
        signal_groups([*groups, *(group for name, _, group in self._lingering if name in wanted)], signum)

    def tell_of_death(self) -> None:
        """Let the workers know that it is a death that ends the job."""
        with contextlib.suppress(OSError):  # else they end a little later
            (self._folder / DEATH).touch()

    def prepare(self, generation: int, spec: ProcessSpec) -> None:
        """Have a spare process for that generation, whose workers are like `spec`, if they can be made of it.

        Without one, the servers and the scheduler are there before the workers anyway.
        """
        if self._spare is not None and self._spare.generation != generation and is_script(spec.argv):
            self._spare.prepare(generation, {**self._environ, **spec.env})
            if (pid := self._spare.pid) is not None:
                self._orphans.know(pid)

    def preparing(self, seconds: float) -> bool:
        """Whether the spare process is still importing, after waiting for it for up to so long."""
        return self._spare is not None and self._spare.importing(seconds)

    def clear_up(self, marks: Sequence[str], patience: float, hurry: Callable[[], bool]) -> list[str]:
        """End whatever is left of the job, including what its processes have started and left behind, and the keeper.

        `patience` is the time in seconds between TERM and KILL; once `hurry` says so, KILL follows at once. The keeper
        ends last: until then it would do the same if the launcher died here. Returns words for each process that cannot
        be ended.
        """

        if self._spare is not None and f"PUSHGRAD_GENERATION={self._spare.generation}" in marks:
            self._spare.close()  # it has done its work

        def find() -> list[int]:
            self.tend()
            return members(self._leaders, marks)

        left = end_all(find, patience, hurry)
        self._look()
        for name in self._ended:
            self._collect(name)
        for handle in self._handles.values():
            os.close(handle)
        self.tend()  # collects the last orphans
        self._keeper.close(bool(left))
        return [owner(pid) for pid in left]


def _pipe(ends: contextlib.ExitStack, undo: contextlib.ExitStack) -> tuple[int, int]:
    """A new pipe: `ends` closes the end that is written to, and `undo` the other."""
    read, write = os.pipe()
    undo.callback(os.close, read)
    ends.callback(os.close, write)
    return read, write
