"""Other launchers, known by what they set: torchrun, mpirun and srun start N equal processes that know nothing of us.

Without a job of ours each of the N would train a model of its own, and the last to save would win.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from .checks import whole_number_in
from .errors import JobError

# Who sets it, the variable with the number of processes, and one with the process's own number. Both must be there:
# batch systems set the first also in scripts that they start once. The more specific come first.
KNOWN = (
    ("Open MPI's mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("horovodrun", "HOROVOD_SIZE", "HOROVOD_RANK"),
    ("MVAPICH's mpirun", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
    ("jsrun", "JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_RANK"),
    ("mpirun", "PMI_SIZE", "PMI_RANK"),
    ("torchrun", "WORLD_SIZE", "RANK"),
    ("srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
)


@dataclass(frozen=True)
class ForeignLauncher:
    """Who has started `size` processes like this one, and the variable that tells."""

    name: str
    size: int
    variable: str

    def __str__(self) -> str:
        return f"{self.name} ({self.variable}={self.size})"


def foreign_launcher(environ: Mapping[str, str] | None = None) -> ForeignLauncher | None:
    """The launcher that has started this process among several; None if there is none, or a job of ours around it."""
    environ = os.environ if environ is None else environ
    if environ.get("DMLC_ROLE"):  # `launch` sets RANK and WORLD_SIZE as well
        return None
    for name, size, rank in KNOWN:
        number = whole_number_in(environ.get(size, ""), 2)
        if number is not None and whole_number_in(environ.get(rank, ""), 0) is not None:
            return ForeignLauncher(name, number, size)
    return None


def remedy(size: int) -> str:
    """What to do instead of starting a script through another launcher."""
    return (
        f"Start it with `launch --workers {size} train.py` instead, or describe the job to each by DMLC_ROLE and so on"
    )


def apart(other: ForeignLauncher, kind: str) -> JobError:
    """The error for a script that is to train in a job, but runs in N copies without one."""
    more = f"{remedy(other.size)}. "
    if "mpirun" in other.name:
        more += f"`mpirun -n {other.size + 2}` is a job of {other.size} workers, a server and a scheduler. "
    return JobError(
        f"kvstore {kind!r}: {other} has started {other.size} processes without a job of pushgrad: "
        f"each would train a model of its own",
        remedy=f'{more}If {other.size} separate models are what you want, say kvstore="local"',
    )
