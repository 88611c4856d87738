"""Memory that processes of one host share: an anonymous file, which is gone with the last of them, however they end.

It has no name in any folder. Others open it through its maker's entry in /proc, which the kernel grants to processes of
the same user; that they reach the right one is proved by a nonce in it. Sealed, so that no one can shrink it under the
others, and reserved as a whole, so that memory runs out when it is made and not while somebody writes.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import secrets
from pathlib import Path
from typing import NamedTuple

ALIGN = 64  # bytes: where arrays in a segment begin, and the length of the head that holds the nonce
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Ticket(NamedTuple):
    """How to open a segment: its maker's process and file descriptor, all its bytes, and the nonce (hex)."""

    pid: int
    fd: int
    nbytes: int
    nonce: str


class Segment:
    """`memory` is what all who have opened it see; it lives as long as anything refers to it."""

    def __init__(self, memory: mmap.mmap, ticket: Ticket) -> None:
        self.memory, self.ticket = memory, ticket

    @staticmethod
    def create(nbytes: int) -> Segment:
        """A new one of `nbytes`, zeros but for the head. OSError if there is no such memory."""
        _check_memory(nbytes)
        fd = os.memfd_create("pushgrad", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.posix_fallocate(fd, 0, nbytes)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
            memory, nonce = mmap.mmap(fd, nbytes), secrets.token_bytes(16)
        except BaseException:
            os.close(fd)
            raise
        memory[: len(nonce)] = nonce
        return Segment(memory, Ticket(os.getpid(), fd, nbytes, nonce.hex()))

    @staticmethod
    def open(ticket: Ticket) -> Segment:
        """The segment that `ticket` tells of. OSError if it cannot be reached or is another one."""
        fd = os.open(f"/proc/{ticket.pid}/fd/{ticket.fd}", os.O_RDWR | os.O_CLOEXEC)
        try:
            sealed = fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS == _SEALS  # fails for any other kind of file
            if not sealed or os.fstat(fd).st_size != ticket.nbytes:
                raise OSError(f"process {ticket.pid}: file {ticket.fd} is no segment of {ticket.nbytes} bytes")
            memory = mmap.mmap(fd, ticket.nbytes)
        finally:
            os.close(fd)
        if memory[: len(ticket.nonce) // 2].hex() != ticket.nonce:
            raise OSError(f"process {ticket.pid}: file {ticket.fd} is another segment")
        return Segment(memory, ticket)

    def settle(self) -> None:
        """Maker only: everyone who should has opened it; nobody else can."""
        os.close(self.ticket.fd)


def _check_memory(nbytes: int) -> None:
    """OSError if the machine has not so much to give: reserving it would not fail but call the out-of-memory killer."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    sizes = {name: int(text.split()[0]) for name, _, text in (line.partition(":") for line in lines)}
    if nbytes > sizes["MemAvailable"] << 10:
        raise OSError(errno.ENOMEM, f"{os.strerror(errno.ENOMEM)}: {nbytes >> 20} MiB to be shared")
