"""Memory that processes of one host share: an anonymous file that vanishes with the last of them, however they end.

It has no name in any folder. Others open it through its maker's entry in /proc, which the kernel grants to processes of
the same user; a nonce in it proves that they have reached the right one (another host or container may have the same
pid). It is sealed, so that nobody can shrink it and have the others killed by SIGBUS, and its memory is reserved as a
whole, so that memory runs out when the segment is made and not while somebody writes to it.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import secrets
from typing import NamedTuple

from .memory import available_memory

ALIGN = 64  # bytes: where arrays in a segment begin, and the length of the head that holds the nonce
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Ticket(NamedTuple):
    """How to open a segment: its maker's process and file descriptor, its length in bytes, and the nonce (hex)."""

    pid: int
    fd: int
    nbytes: int
    nonce: str


class Segment:
    """A segment that this process has made or opened. `memory` is what all of them see.

    The mapping lives as long as anything (an array, say) refers to `memory`, whether or not the file is still open.
    """

    def __init__(self, memory: mmap.mmap, ticket: Ticket) -> None:
        self.memory, self.ticket = memory, ticket

    @staticmethod
    def create(nbytes: int) -> Segment:
        """Make a segment of `nbytes` bytes, zeros except for the head. Raises OSError if there is not enough memory.

        The descriptor stays open, for others to open the file by, until `settle`.
        """
        _check_memory(nbytes)
        fd = os.memfd_create("pushgrad", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            # Before sealing, which forbids growing.
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
        """Open the segment that `ticket` describes. Raises OSError if it cannot be reached or is another one.

        The ticket comes from the wire, so the file may be any that this user can open: only one that is sealed, of the
        right size and with the right nonce is used.
        """
        fd = os.open(f"/proc/{ticket.pid}/fd/{ticket.fd}", os.O_RDWR | os.O_CLOEXEC)
        try:
            sealed = fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS == _SEALS  # OSError for files that cannot be sealed
            if not sealed or os.fstat(fd).st_size != ticket.nbytes:
                raise OSError(f"process {ticket.pid}: file {ticket.fd} is no segment of {ticket.nbytes} bytes")
            memory = mmap.mmap(fd, ticket.nbytes)
        finally:
            os.close(fd)  # mmap has a descriptor of its own
        if memory[: len(ticket.nonce) // 2].hex() != ticket.nonce:
            raise OSError(f"process {ticket.pid}: file {ticket.fd} is another segment")
        return Segment(memory, ticket)

    def settle(self) -> None:
        """Close the maker's descriptor when everyone has opened the segment; nobody else can open it afterwards."""
        os.close(self.ticket.fd)


def _check_memory(nbytes: int) -> None:
    """Raise OSError if the machine, or this process's control group, has less than `nbytes` bytes of memory available.

    Reserving more would not fail: Linux would have its out-of-memory killer end some process instead.
    """
    available = available_memory()
    if available is not None and nbytes > available:
        raise OSError(
            errno.ENOMEM,
            f"{os.strerror(errno.ENOMEM)}: {nbytes >> 20} MiB to be shared, {available >> 20} MiB are available",
        )
