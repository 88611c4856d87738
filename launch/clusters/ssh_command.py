"""The argv of ssh and rsync to a host."""

from __future__ import annotations

import shlex

from ..job import Job
from .hosts import Host

CONNECT_TIMEOUT, ALIVE_INTERVAL, ALIVE_COUNT = 10, 5, 3  # seconds, seconds, times
OPTIONS = {
    "BatchMode": "yes",  # nobody is there to answer questions
    "ConnectTimeout": CONNECT_TIMEOUT,
    "ServerAliveInterval": ALIVE_INTERVAL,
    "ServerAliveCountMax": ALIVE_COUNT,
}


def ssh(host: Host) -> tuple[str, ...]:
    """The ssh command, without a host at its end."""
    options = [word for name, value in OPTIONS.items() for word in ("-o", f"{name}={value}")]
    port = [] if host.port is None else ["-p", str(host.port)]
    return ("ssh", "-T", *options, *port)


def remote(host: Host, text: str) -> tuple[str, ...]:
    """The argv that runs a text of the shell there."""
    return (*ssh(host), "--", host.name, text)


def rsync(job: Job, host: Host) -> tuple[str, ...]:
    """The argv that copies the script's folder there."""
    name = f"[{host.name}]" if ":" in host.name else host.name
    to = f"{name}:{job.workdir}/"
    # Not by --mkpath: where hosts share a file system, each would make the folder, and all but one would fail.
    there = f"mkdir -p -- {shlex.quote(str(job.workdir))} && rsync"
    through = ("-e", shlex.join(ssh(host)), "--rsync-path", there)
    return ("rsync", "-a", "-z", "--protect-args", *through, f"{job.sync}/", to)
