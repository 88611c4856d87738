"""What an agent tells of its host."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Any

from ... import __version__
from ...common.address import route_to
from ...common.errors import JobError
from ..surroundings import short_temp_folder

BOOT = Path("/proc/sys/kernel/random/boot_id")


def facts() -> dict[str, Any]:
    """Version and host, the address at which others reach it, and `where`, equal for agents that share a host."""
    temporary = short_temp_folder().stat()
    return {
        "version": __version__,
        "host": socket.gethostname(),
        "address": _address(),
        # Equal for agents that share a host and its folder for temporary files.
        "where": f"{socket.gethostname()} {BOOT.read_text().strip()} {temporary.st_dev} {temporary.st_ino}",
    }


def _address() -> str:
    """Where the others reach this host: where ssh did, else the address on the default route."""
    words = os.environ.get("SSH_CONNECTION", "").split()  # address and port of the client, and those of the server
    if len(words) == 4:
        return words[2].removeprefix("::ffff:")
    for outside in ("192.0.2.1", "2001:db8::1"):  # of documentation: nothing is sent there
        with contextlib.suppress(JobError):
            return route_to(outside)
    return "127.0.0.1"


def held_port() -> socket.socket:
    """A port for MASTER_PORT; see held_port.py."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("", 0))
    return holder
