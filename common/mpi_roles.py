"""`mpirun -n 6 python train.py`: which role each of the equal processes has, from its rank, without MPI itself.

Rank 0 is the scheduler, the next PUSHGRAD_SERVERS (1 by default) are servers, and all others workers: the order in
which `launch` lists processes. PUSHGRAD_SERVERS=0 says that the processes are no job. srun starts anything, not just
parts of one program, so that its tasks are a job only if PUSHGRAD_SERVERS is set.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .checks import whole_number_in
from .cores import available_cores
from .errors import JobError

SERVERS = "PUSHGRAD_SERVERS"
LOOPBACK = "127.0.0.1"
PORTS = range(1024, 65536)


@dataclass(frozen=True)
class Family:
    """An implementation's variables: number of processes and own number, in all and on this host.

    `engine` is what `launch --cluster` has for it, and `by_itself` whether equal processes are a job without a word.
    """

    name: str
    size: str
    rank: str
    local_size: str
    local_rank: str
    engine: str = "mpi"
    by_itself: bool = True


FAMILIES = (
    Family(
        "Open MPI's mpirun",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
    ),
    Family(
        "MVAPICH's mpirun",
        "MV2_COMM_WORLD_SIZE",
        "MV2_COMM_WORLD_RANK",
        "MV2_COMM_WORLD_LOCAL_SIZE",
        "MV2_COMM_WORLD_LOCAL_RANK",
    ),
    Family("mpirun", "PMI_SIZE", "PMI_RANK", "MPI_LOCALNRANKS", "MPI_LOCALRANKID"),  # MPICH, Intel MPI
    Family("Cray's mpiexec", "PMI_SIZE", "PMI_RANK", "PMI_LOCAL_SIZE", "PMI_LOCAL_RANK"),
    # Last: the processes that an mpirun starts by srun have these of whatever started them. Batch scripts have
    # SLURM_PROCID as well, but none that begins with SLURM_STEP.
    Family(
        "srun",
        "SLURM_STEP_NUM_TASKS",
        "SLURM_PROCID",
        "SLURM_STEP_TASKS_PER_NODE",
        "SLURM_LOCALID",
        engine="slurm",
        by_itself=False,
    ),
)


@dataclass(frozen=True)
class Place:
    """A process among the `size` that a launcher has started. `together` says that all of them are on this host."""

    family: Family
    rank: int
    size: int
    local_rank: int
    together: bool


def place(environ: Mapping[str, str]) -> Place | None:
    """This process's place among those of an MPI launcher; None if there is none around it."""
    for family in FAMILIES:
        names = (family.rank, family.size, family.local_rank)
        found = [whole_number_in(environ.get(name, ""), 0) for name in names]
        local_size = environ.get(family.local_size)  # a list of all hosts' in Slurm, if there are several: 2(x3),1
        if None not in found and local_size:
            rank, size, local_rank = (number or 0 for number in found)
            return Place(family, rank, size, local_rank, together=local_size == str(size))
    return None


def mpi_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that make this process one of a job, if an MPI launcher has started enough of them; else {}.

    On one host they find each other by themselves; on several DMLC_PS_ROOT_URI, DMLC_PS_ROOT_PORT and PUSHGRAD_KEYS
    must be set. Raises JobError if PUSHGRAD_SERVERS makes no sense, or those are missing.
    """
    environ = os.environ if environ is None else environ
    here = None if environ.get("DMLC_ROLE") else place(environ)
    servers = _servers(environ)
    if here is None or servers == 0 or not (here.family.by_itself or environ.get(SERVERS)):
        return {}
    workers = here.size - 1 - servers
    if workers < 1:
        if environ.get(SERVERS):
            raise JobError(
                f"{here.family.name} has started {here.size} ({here.family.size}), and {SERVERS} is {servers}",
                expected=f"{servers + 2} processes or more: a scheduler, {servers} servers, workers",
                remedy="A size of 1 in each of several processes means that it is another MPI's mpirun",
            )
        return {}
    return _meeting(environ, here) | _role(here, servers, workers) | _threads(environ, here, workers)


def _servers(environ: Mapping[str, str]) -> int:
    servers = whole_number_in(environ.get(SERVERS) or "1", 0)
    if servers is None:
        raise JobError(SERVERS, expected="a whole number, 0 for no job", got=repr(environ[SERVERS]))
    return servers


def _role(here: Place, servers: int, workers: int) -> dict[str, str]:
    variables = {"DMLC_NUM_WORKER": str(workers), "DMLC_NUM_SERVER": str(servers)}
    if here.rank == 0:
        return variables | {"DMLC_ROLE": "scheduler"}
    if here.rank <= servers:
        return variables | {"DMLC_ROLE": "server", "DMLC_SERVER_ID": str(here.rank - 1)}
    rank = here.rank - 1 - servers
    variables |= {"DMLC_ROLE": "worker", "DMLC_WORKER_ID": str(rank), "RANK": str(rank), "WORLD_SIZE": str(workers)}
    if here.together:
        return variables | {"LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(workers)}
    return variables | {"LOCAL_RANK": str(here.local_rank)}


def _threads(environ: Mapping[str, str], here: Place, workers: int) -> dict[str, str]:
    """Workers of one host share its cores, as under `launch`."""
    threads = str(max(1, available_cores() // workers)) if here.together else ""
    return {name: threads for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS") if threads and name not in environ}


def _meeting(environ: Mapping[str, str], here: Place) -> dict[str, str]:
    """Where the scheduler is found. On one host the port is part of a socket's name, which tells jobs apart."""
    if environ.get("DMLC_PS_ROOT_URI") and environ.get("DMLC_PS_ROOT_PORT"):
        return {}
    if not here.together:
        raise JobError(
            f"{here.family.name} has started {here.size} processes on several hosts, where they do not find each other",
            remedy=f"`launch --cluster {here.family.engine} train.py` starts them so that they do; or set "
            "DMLC_PS_ROOT_URI to rank 0's host, DMLC_PS_ROOT_PORT to a free port there, and "
            "PUSHGRAD_KEYS (`pushgrad keys FOLDER`)",
        )
    starter, since = _starter(here.family.rank)
    port = PORTS[starter % len(PORTS)]
    return {
        "DMLC_PS_ROOT_URI": LOOPBACK,
        "DMLC_PS_ROOT_PORT": str(port),
        "PUSHGRAD_JOB_ID": environ.get("PUSHGRAD_JOB_ID") or f"mpi-{starter}-{since}",
    }


def _starter(mark: str) -> tuple[int, str]:
    """The pid and start time of whoever has started all ranks of this host: the first ancestor that has no rank."""
    pid = os.getppid()
    while pid > 1 and f"\0{mark}=".encode() in b"\0" + _bytes(pid, "environ"):
        pid = int(_stat(pid)[1])
    return pid, _stat(pid)[19]


def _stat(pid: int) -> list[str]:
    """The fields of /proc's stat after the name, which may hold anything."""
    return _bytes(pid, "stat").rpartition(b")")[2].decode().split() or ["", "1", *[""] * 18]


def _bytes(pid: int, name: str) -> bytes:
    with contextlib.suppress(OSError):
        return (Path("/proc") / str(pid) / name).read_bytes()
    return b""
