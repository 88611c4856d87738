"""How many files a process may have open: each connection takes a few."""

from __future__ import annotations

import contextlib
import resource

from .errors import JobError

A_CONNECTION = 4  # the connection itself, and one for each of the three sockets that make and watch it
OWN = 32  # of any process of a job; a worker has 28


def allow_many_files() -> None:
    """Raise the limit of open files as far as allowed: each connection is one, a stranger's as well as a worker's."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def allow_connections(peers: int) -> None:
    """Raise the limit of open files if connections to so many peers need it. JobError if that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = OWN + A_CONNECTION * peers
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise JobError(
            f"this process may not open enough files for its connections to {peers} servers",
            expected=f"a limit of {needed}",
            got=hard,
            remedy=f"Raise it where the job is started: `ulimit -n {needed}`",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
