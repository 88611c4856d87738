"""What an engine is, and which there are.

An engine is a small class. To add one: a module here with the class, and its place in ENGINES.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from ...common.errors import JobError
from ..display import Display
from ..job import Job
from ..process_plan import Plan
from .hosts import Host

if TYPE_CHECKING:
    from ..given import Options

# Name -> module and class. A module is imported when its engine is used.
ENGINES = {
    "local": ("local", "Local"),
    "ssh": ("ssh", "Ssh"),
    "mpi": ("mpi", "Mpi"),
    "slurm": ("slurm", "Slurm"),
    "kubernetes": ("kubernetes", "Kubernetes"),
    "ray": ("ray", "Ray"),
    "env": ("env", "Env"),
}

# Options of `launch` that only some engines have a use for, by their names in `Options`.
SPECIAL = (
    "hostfile",
    "workers_per_host",
    "servers_per_host",
    "workdir",
    "sync",
    "mpirun",
    "submit",
    "slurm",
    "kubernetes",
    "no_jobset",
    "address",
    "ray",
)


class Engine(ABC):
    """What starts the processes of a job somewhere.

    `takes` are those of SPECIAL that it has a use for, and `needs` those of them that it cannot do without. `here` says
    that the processes run on this host, in the environment of `launch`, and `in_images` that this host's interpreter
    and folders mean nothing where they run. `restarts` says that it can start a job again of which a process has died.
    """

    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    here: bool = False
    in_images: bool = False
    restarts: bool = True

    def hosts(self, options: Options, environ: Mapping[str, str]) -> tuple[Host, ...]:
        """The hosts to which workers and servers are dealt; () if there is one, or somebody else deals.

        Raises JobError if they cannot be known.
        """
        return ()

    @abstractmethod
    def plan(self, job: Job) -> Plan:
        """Say what is to be started where. It starts and creates nothing, and looks at nothing but the job.

        Raises JobError if the engine cannot do what the job asks for.
        """

    @abstractmethod
    def describe(self, job: Job, plan: Plan) -> list[str]:
        """The lines of --dry-run: for a POSIX shell, to do by hand what `launch` does. They show no secrets."""

    def run(self, job: Job, plan: Plan, display: Display, **how: bool) -> int:
        """Run the plan to its end and return the exit code of `launch`; `how` as for `run_job`."""
        from ..run import run_job

        return run_job(job, plan, display, planner=self.plan if self.restarts else None, **how)


def engine(name: str) -> Engine:
    """The engine of that name. Raises JobError with the list if there is none."""
    if name not in ENGINES:
        raise JobError("--cluster", expected=" or ".join(ENGINES), got=repr(name))
    module, kind = ENGINES[name]
    made: Engine = getattr(import_module(f"{__package__}.{module}"), kind)()
    return made


def check_options(name: str, kind: Engine, given: Mapping[str, object]) -> None:
    """Raise JobError if one of SPECIAL was given, and that engine has no use for it."""
    for option in SPECIAL:
        if given.get(option) and option not in kind.takes:
            takers = [other for other in ENGINES if option in engine(other).takes]
            raise JobError(
                f"--{option.replace('_', '-')}: --cluster {name} has no use for it",
                remedy=f"It is for --cluster {' and '.join(takers)}",
            )
