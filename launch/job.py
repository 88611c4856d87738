"""A job as `launch` sees it, before any process exists."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clusters.hosts import Seat
    from .clusters.nodes import Nodes

# -P keeps the folder of the user's script off sys.path: a random.py beside train.py must not end up in a server.
ROLE = ("-P", "-m", "pushgrad.ps")
ROLE_COMMAND = (sys.executable, *ROLE)


@dataclass(frozen=True)
class Job:
    """Everything a cluster needs to plan the job's processes. Times are in seconds.

    `command` is the argv of a worker and `role_command` that of the scheduler and of a server. `seats` are the hosts,
    if the engine is told of any, `python` the interpreter there, `workdir` the folder in which processes run, and
    `sync` the folder here that is copied into it first; `mpirun` is a command with options. `nodes` and the environment
    `surroundings` are what somebody else has said who has started `launch` on several. `slurm` holds options of sbatch
    if the job is to be submitted: it starts `launch` anew, with `arguments`. `kubernetes` holds settings, and
    `no_jobset` that there is no JobSet there. `address` is where Ray is, and `ray` holds settings. `hands` holds for
    each worker the GPUs that it is dealt (as CUDA_VISIBLE_DEVICES names them) and `cpu`; it is empty without --gpus.
    `env` is what the user adds to every process, `defaults` what `env` may override. `keys` is a directory of mode 0700
    with CURVE keys, for clusters that leave the host. `job_dir` has a path short enough for sockets and lies on a local
    disk; `run_dir` is what stays of the job, with one log file per process (with `separate_logs` two: output and
    errors). `start_timeout` is how long processes may take to come. `max_restarts` is how often the processes may be
    started again after a death, None if nobody has said it; `generation` counts all starts, and `root_port` is the
    port of the scheduler before. `snapshots` are variables that tell workers of snapshots; these stay after a
    success if `keeps_snapshots`. `config` is the text of a file that describes the job, for `run_dir`, and `function`
    what workers call instead of running a script (common/function_file.py).
    """

    command: tuple[str, ...]
    workers: int
    servers: int
    job_id: str
    job_dir: Path
    run_dir: Path
    hands: tuple[tuple[str, ...], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    role_command: tuple[str, ...] = ROLE_COMMAND
    keys: Path | None = None
    separate_logs: bool = False
    timeout: float | None = None
    start_timeout: float = 60.0
    grace_period: float = 30.0
    max_restarts: int | None = None
    generation: int = 1
    root_port: int | None = None
    snapshots: Mapping[str, str] = field(default_factory=dict)
    keeps_snapshots: bool = True
    config: str = ""
    function: bytes = b""
    seats: tuple[Seat, ...] = ()
    python: str = sys.executable
    workdir: Path = field(default_factory=Path.cwd)
    sync: Path | None = None
    mpirun: tuple[str, ...] = ("mpirun",)
    slurm: Mapping[str, str] | None = None
    kubernetes: Mapping[str, str] = field(default_factory=dict)
    no_jobset: bool = False
    address: str = "auto"
    ray: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    nodes: Nodes | None = None
    surroundings: Mapping[str, str] = field(default_factory=dict)

    @property
    def marks(self) -> tuple[str, ...]:
        """What the environment of each process of this generation has, and no other process's."""
        return (f"PUSHGRAD_JOB_ID={self.job_id}", f"PUSHGRAD_GENERATION={self.generation}")

    def again(self, port: int | None) -> Job:
        """The job's next generation, whose scheduler may have the `port` of the one before.

        It has a folder of its own: something of the one before may still hold the old.
        """
        generation = self.generation + 1
        folder = self.job_dir.with_name(f"pushgrad-{self.job_id}-{generation}")
        return replace(self, generation=generation, job_dir=folder, root_port=port)
