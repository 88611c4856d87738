"""Nodes that Slurm has granted: inside an allocation srun starts an agent on each; --submit asks for an allocation."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...common.errors import JobError
from ..config import is_secret
from ..dry_run import settings
from ..process_plan import FREE_PORT_THERE, Plan, Site
from .agent import MODULE
from .engine import Engine
from .hosts import Host
from .members import members
from .pairs import pairs
from .slurm_script import batch_script

if TYPE_CHECKING:
    from ..display import Display
    from ..given import Options
    from ..job import Job

# An agent has all CPUs, memory and GPUs of its node. It shares them with a step around `launch` (srun --pty bash), has
# no use for MPI, and the end of one must not end the others before `launch` has said why.
SRUN = (
    "srun",
    "--ntasks-per-node=1",
    "--overlap",
    "--mpi=none",
    "--cpu-bind=none",
    "--export=ALL",
    "--unbuffered",
    "--kill-on-bad-exit=0",
    "--wait=0",
)
# What an allocation was asked for per task would hold for the agents: a node's only one would have the CPUs and GPUs of
# one worker. From 22.05 to 23.02 srun takes the second of these and not the first, before and afterwards both.
PER_TASK = (
    "SLURM_CPUS_PER_TASK",
    "SRUN_CPUS_PER_TASK",
    "SLURM_GPUS_PER_TASK",
    "SLURM_NTASKS_PER_GPU",
    "SLURM_TRES_PER_TASK",
)
NODE = re.compile(r"(\d+)(?:\(x(\d+)\))?")


class Slurm(Engine):
    """One agent per node. Workers are where the allocation has tasks, if it was asked for tasks."""

    takes = ("workers_per_host", "servers_per_host", "workdir", "submit", "slurm")

    def hosts(self, options: Options, environ: Mapping[str, str]) -> tuple[Host, ...]:
        """The nodes of the allocation around `launch`, or of the one that --submit asks for."""
        if options.submit:
            return _wanted(pairs("--slurm", options.slurm))
        if options.slurm:
            raise JobError("--slurm holds options for sbatch", remedy="Add --submit, or leave it out")
        if "SLURM_JOB_ID" not in environ:
            raise JobError(
                "--cluster slurm: there is no allocation here (SLURM_JOB_ID is not set)",
                remedy="--submit asks for one, with --slurm nodes=2 and the like; or start it inside salloc or sbatch",
            )
        nodes = int(environ.get("SLURM_JOB_NUM_NODES", "1"))
        asked = "SLURM_NTASKS" in environ or "SLURM_NTASKS_PER_NODE" in environ
        return _nodes(nodes, _tasks(environ.get("SLURM_TASKS_PER_NODE", "")) if asked else [])

    def plan(self, job: Job) -> Plan:
        """The processes by node, and srun's command line. At run time the nodes' addresses take the place of names."""
        first = next(seat.host.name for seat in job.seats if seat.workers)
        master = {"MASTER_ADDR": first, "MASTER_PORT": FREE_PORT_THERE}
        nodes = str(len(job.seats))
        starter = (*SRUN, f"--nodes={nodes}", f"--ntasks={nodes}", "--relative=0", job.python, *MODULE)
        sites = tuple(Site(seat.host.name) for seat in job.seats)
        return Plan(members(job, job.seats, job.seats[0].host.name, master), sites, starter, PER_TASK)

    def describe(self, job: Job, plan: Plan) -> list[str]:
        """With --submit the batch script on its way to sbatch, else the line that starts the script in all roles."""
        if job.slurm is not None:
            hidden = [f"# {name} goes into LAUNCH_ENV, and is not shown" for name in job.env if is_secret(name)]
            return [*hidden, "sbatch <<'EOF'", *batch_script(job).splitlines(), "EOF"]
        return [
            f"cd {shlex.quote(str(job.workdir))}",
            *(f"export {setting}" for setting in settings({**job.defaults, **job.env})),
            f"export PUSHGRAD_SERVERS={job.servers}",
            "# on several nodes also DMLC_PS_ROOT_URI (the first one), DMLC_PS_ROOT_PORT and PUSHGRAD_KEYS",
            shlex.join(["srun", "--mpi=none", f"--ntasks={len(plan.specs)}", "--overcommit", *job.command]),
        ]

    def run(self, job: Job, plan: Plan, display: Display, **how: bool) -> int:
        """Run it in this allocation, or submit it and follow its output."""
        if job.slurm is None:
            return super().run(job, plan, display, **how)
        from .slurm_submit import submit

        return submit(job, display, quiet=how.get("quiet", False))


def _wanted(settings: Mapping[str, str]) -> tuple[Host, ...]:
    """The nodes that sbatch's options ask for, as far as they say it in plain numbers."""
    number = {key: int(value) for key, value in settings.items() if value.isascii() and value.isdigit()}
    nodes = max(1, number.get("nodes", 1))
    each = number.get("ntasks-per-node")
    if each is not None:
        return _nodes(nodes, [each] * nodes)
    tasks = number.get("ntasks")
    return _nodes(nodes, [] if tasks is None else [-(-(tasks - place) // nodes) for place in range(nodes)])


def _tasks(text: str) -> list[int]:
    """The tasks of each node, from Slurm's short form: 4(x2),1 is 4, 4, 1."""
    found = [NODE.fullmatch(part) for part in text.split(",")]
    return [int(match[1]) for match in found if match for _ in range(int(match[2] or 1))]


def _nodes(number: int, tasks: list[int]) -> tuple[Host, ...]:
    """So many nodes; their names are seen when the agents report."""
    slots = tasks if len(tasks) == number else [None] * number
    return tuple(Host(f"<node {place}>", slots=slot) for place, slot in enumerate(slots))
