"""The options of `launch` as they were given, before anybody has looked at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """The options of `launch` as they were given, under the names that they have there. Times are in seconds."""

    script: str
    args: Sequence[str] = ()
    module: bool = False
    cluster: str = "local"
    hostfile: str | None = None
    workers: int | None = None
    servers: int | None = None
    workers_per_host: int | None = None
    servers_per_host: int | None = None
    workdir: str | None = None
    sync: bool = False
    mpirun: str | None = None
    submit: bool = False
    slurm: Sequence[str] = ()
    kubernetes: Sequence[str] = ()
    no_jobset: bool = False
    address: str | None = None
    ray: Sequence[str] = ()
    python: str | None = None
    gpus: str | None = None
    env: Sequence[str] = ()
    runs: str | None = None
    separate_logs: bool = False
    timeout: float | None = None
    start_timeout: float | None = None
    grace_period: float = 30.0
    max_restarts: int | None = None
    snapshot: str | None = None
    resume: str | None = None
    on_snapshot_failure: str | None = None
    on_nan: str | None = None
