"""Hosts that ssh reaches: the system's own ssh, so that the user's configuration, agents and jump hosts count."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..job import Job
from ..process_plan import FREE_PORT_THERE, Plan, Site
from .agent import MODULE
from .engine import Engine
from .hosts import Host, read_hosts
from .members import members
from .ssh_by_hand import by_hand
from .ssh_command import remote, rsync

if TYPE_CHECKING:
    from ..given import Options


class Ssh(Engine):
    """One agent per host of --hostfile, each at the other end of one ssh."""

    takes = ("hostfile", "workers_per_host", "servers_per_host", "workdir", "sync")
    needs = ("hostfile",)

    def hosts(self, options: Options, environ: Mapping[str, str]) -> tuple[Host, ...]:
        """Those of the file."""
        return read_hosts(Path(options.hostfile or ""))

    def plan(self, job: Job) -> Plan:
        """The processes by host. At run time the agents' own addresses take the place of names."""
        first = next(seat.host.address for seat in job.seats if seat.workers)
        master = {"MASTER_ADDR": first, "MASTER_PORT": FREE_PORT_THERE}
        specs = members(job, job.seats, job.seats[0].host.address, master)
        return Plan(specs, tuple(Site(seat.host.name, _commands(job, seat.host)) for seat in job.seats))

    def describe(self, job: Job, plan: Plan) -> list[str]:
        """Lines that do it without agents: the keys are copied, and each process has an ssh of its own."""
        return by_hand(job, plan)


def _commands(job: Job, host: Host) -> tuple[tuple[str, ...], ...]:
    sync = () if job.sync is None else (rsync(job, host),)
    return (*sync, remote(host, f"exec {shlex.join((job.python, *MODULE))}"))  # `exec` leaves no shell behind
