"""Telling a process from a later one of the same pid: by when it was started, and in which boot of which host."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..processes import PROC


@dataclass(frozen=True)
class Identity:
    """A process among all that there ever were. `start` is in clock ticks since the boot that `boot` names."""

    host: str
    boot: str
    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Identity:
        """That of a process of this host. Raises OSError if there is none."""
        fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        if fields[0] in (b"Z", b"X"):
            raise ProcessLookupError(f"process {pid} has ended")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return cls(socket.gethostname(), boot, pid, int(fields[19]))

    def alive(self) -> bool | None:
        """Whether the process runs; None if it is one of another host, which cannot be known from here."""
        if self.host != socket.gethostname():
            return None
        try:
            return Identity.of(self.pid) == self
        except OSError:
            return False

    def as_dict(self) -> dict[str, object]:
        """The fields by name, for a file."""
        return asdict(self)


@contextlib.contextmanager
def held(identity: Identity) -> Iterator[int | None]:
    """A descriptor of that process and of no other, for a signal or to wait for its end; None if it has ended."""
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        yield None
        return
    try:
        # Looked at again, as the pid may have been given to another process before we had a hold of it.
        yield handle if identity.alive() else None
    finally:
        os.close(handle)
