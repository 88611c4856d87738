"""The running processes of a job, as whoever supervises them sees them, wherever they are.

`LocalChildren` (local_children.py) starts them itself; `RemoteChildren` (clusters/remote_children.py) has agents do it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from .process_plan import ProcessSpec
from .status_reader import StatusReader

NOT_TOLD_YET = 0  # the pid of a process that another host is about to start


@dataclass(frozen=True)
class Started:
    """A process has been started on another host; `start` could not tell its pid. `host` if that is known only now."""

    name: str
    pid: int
    host: str | None = None


@dataclass(frozen=True)
class Failed:
    """A process could not be started on another host."""

    name: str
    why: str


@dataclass(frozen=True)
class Ended:
    """A process has ended; `code` is as subprocess gives it. `left`: a worker that has left the job before."""

    name: str
    code: int
    left: bool = False


@dataclass(frozen=True)
class Lost:
    """Nothing is heard any more of these processes, which may still run for a while; `why` completes "was lost: "."""

    names: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Unusable:
    """The hosts cannot be used, so that nothing has been started; `why` is the whole sentence."""

    why: str


News = Started | Failed | Ended | Lost | Unusable


class Children(Protocol):
    """Starts the processes of a job, watches, signals and ends them. Used by the runner's thread only."""

    @property
    def opening(self) -> bool:
        """Whether hosts are still being reached, so that what `start` was told waits."""
        ...

    def start(self, spec: ProcessSpec, status: StatusReader) -> tuple[int, IO[bytes], IO[bytes]]:
        """Start a process; returns its pid (or NOT_TOLD_YET), and pipes with its output and its errors.

        The scheduler reports to `status`. Raises OSError if the process cannot be started.
        """
        ...

    def next_news(self, whole: bool) -> News | None:
        """What has happened next; None if nothing has. With `whole`, a process has ended when its group is empty."""
        ...

    def signal(self, signum: int, names: Iterable[str]) -> None:
        """Send a signal to the process groups of those of `names` that have not ended."""
        ...

    def handle(self, names: Iterable[str], signum: int) -> bool:
        """Whether in each of `names` that run some process handles or ignores a signal; False if none runs."""
        ...

    def pass_on(self, names: Iterable[str], signum: int) -> set[str]:
        """Send a signal to those processes of `names` that handle it; returns the names in which there are some."""
        ...

    def ask(self, names: Iterable[str]) -> list[str]:
        """Let everybody print its Python frames; returns a line about each that cannot."""
        ...

    def tend(self) -> None:
        """Do what is to be done now and then."""
        ...

    def tell_of_death(self) -> None:
        """Let the workers know, before their SIGTERM, that the job ends because a process has died."""
        ...

    def prepare(self, generation: int, spec: ProcessSpec) -> None:
        """Have the processes of a later generation, which are like that of `spec`, start sooner, if that can be."""
        ...

    def preparing(self, seconds: float) -> bool:
        """Whether that is still being done, after waiting for it for up to so long."""
        ...

    def clear_up(self, marks: Sequence[str], patience: float, hurry: Callable[[], bool]) -> list[str]:
        """End whatever is left of the job: TERM, and KILL after `patience` seconds or as soon as `hurry` says so.

        `marks` are settings that the environments of its processes have. Returns words for each thing that cannot be
        ended from here. Nothing can be called after it.
        """
        ...
