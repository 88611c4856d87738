"""The scheduler's claim to its place: one scheduler for each user, host, address and port.

A tcp port cannot be bound twice, but ZeroMQ takes a Unix socket's path from whoever listens there. A lock beside it
does what the port does: the kernel releases it however its holder ends.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..common.address import host_of, scheduler_endpoint
from ..common.errors import JobError
from ..common.job import JobEnv
from ..common.private_folder import remove_socket, sweep

FIRST, PORTS = 49152, 16384  # port numbers that nobody has registered: where none is asked for, one of these


class Claim:
    """A scheduler's endpoint, and its port number even where that is only a part of a name.

    With port 0 in `env`, a free number is chosen, on tcp by the system when it binds. `variable` is to blame if it
    cannot be bound. Raises JobError if another scheduler has the place.
    """

    def __init__(self, env: JobEnv) -> None:
        self.lock: Path | None = None
        for port in _ports(env.root_port):
            self.endpoint, self.port = scheduler_endpoint(replace(env, root_port=port)), port
            if self.endpoint.startswith("tcp://"):
                self.endpoint, self.variable = scheduler_endpoint(env), "DMLC_PS_ROOT_URI"
                return
            self.variable = "PUSHGRAD_JOB_DIR"
            self.lock = Path(self.endpoint.removeprefix("ipc://")).with_suffix(".lock")
            self._fd = _locked(self.lock)
            if self._fd is not None:
                sweep(self.lock.parent)
                return
        raise JobError(
            f"DMLC_PS_ROOT_PORT: cannot listen at {self.endpoint} (a scheduler of yours listens there)",
            remedy="Choose another port or end it",
        )

    def bound(self, endpoint: str) -> None:
        """Note the endpoint that was bound: on tcp it has the port that the system chose."""
        self.endpoint = endpoint
        if self.lock is None:
            self.port = int(endpoint.rpartition(":")[2])

    @property
    def host(self) -> str:
        """The address at which it listens; empty where that is a path."""
        return host_of(self.endpoint) if self.lock is None else ""

    def give_up(self) -> None:
        """Let others have the place. Call it when the socket is closed."""
        if self.lock is not None and self._fd is not None:
            remove_socket(self.endpoint)
            self.lock.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = None


def _ports(wanted: int) -> Iterator[int]:
    if wanted:
        yield wanted
        return
    for _ in range(100):
        yield FIRST + secrets.randbelow(PORTS)


def _locked(path: Path) -> int | None:
    """An open file that holds the lock at `path` until it is closed; None if another process holds it."""
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JobError(
                f"PUSHGRAD_JOB_DIR: cannot write {path} ({error.strerror})", remedy="Name a folder on a local disk"
            ) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        # Its former holder may have removed the file since we opened it: then the next one would lock another.
        if path.exists() and path.stat().st_ino == os.fstat(fd).st_ino:
            return fd
        os.close(fd)
