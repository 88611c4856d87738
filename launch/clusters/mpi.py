"""Hosts that the mpirun of Open MPI, MPICH or Intel MPI reaches. Only its way of starting processes is used, no MPI."""

from __future__ import annotations

import shlex
from dataclasses import replace

from ...common.errors import JobError
from ..dry_run import settings
from ..job import Job
from ..process_plan import FREE_PORT_THERE, Plan, Site
from .agent import MODULE
from .engine import Engine
from .hosts import Host, Seat
from .members import members

HOST = "<by mpirun>"


class Mpi(Engine):
    """mpirun starts an agent for each process of the job: rank 0 is the scheduler's, then servers, then workers.

    It chooses the hosts, by its own options (--mpirun "mpirun --hostfile hosts") or what a batch system has granted.
    """

    takes = ("mpirun", "workdir")

    def plan(self, job: Job) -> Plan:
        """The processes, and mpirun's command line. Which host is whose is seen when the agents report."""
        if job.hands:
            raise JobError(
                "--gpus: --cluster mpi does not know the hosts before they report",
                remedy="Leave it out; mx.gpu(int(os.environ['LOCAL_RANK'])) is a GPU of a worker's own",
            )
        seat = Seat(Host(HOST), job.workers, job.servers)
        specs = members(job, [seat], HOST, {"MASTER_ADDR": HOST, "MASTER_PORT": FREE_PORT_THERE})
        sites = tuple(Site(f"rank {number}") for number in range(len(specs)))
        starter = (*job.mpirun, "-n", str(len(specs)), job.python, *MODULE)
        return Plan(tuple(replace(spec, site=number) for number, spec in enumerate(specs)), sites, starter)

    def describe(self, job: Job, plan: Plan) -> list[str]:
        """The line that starts the script in all roles without `launch`; on several hosts it needs a meeting place."""
        lines = [
            f"cd {shlex.quote(str(job.workdir))}",
            *(f"export {setting}" for setting in settings({**job.defaults, **job.env})),
            f"export PUSHGRAD_SERVERS={job.servers}",
            "# on several hosts also DMLC_PS_ROOT_URI (rank 0's host), DMLC_PS_ROOT_PORT and PUSHGRAD_KEYS",
        ]
        return [*lines, shlex.join([*job.mpirun, "-n", str(len(plan.specs)), *job.command])]
