"""The processes of a job on given seats, with the variables that tell each its place. All engines use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..gpus import cuda_visible_devices, pushgrad_devices, share_a_gpu
from ..job import Job
from ..process_plan import CHOSEN_PORT, ProcessSpec
from .hosts import Seat


def members(job: Job, seats: Sequence[Seat], root: str, master: Mapping[str, str]) -> tuple[ProcessSpec, ...]:
    """The scheduler on the first seat, then servers and workers, those of one seat having consecutive ranks.

    `root` is where the scheduler is found; `master` holds MASTER_ADDR and MASTER_PORT, for scripts that use
    torch.distributed beside us. A site is the place of its seat.
    """
    # Port 0: the scheduler binds a free one and reports it. A port chosen here could be taken before it is bound.
    scheduler = {**_common(job, "scheduler", root), "DMLC_PS_ROOT_PORT": "0"}
    specs = [ProcessSpec("scheduler", 0, job.role_command, scheduler, seats[0].host.name)]
    for site, seat in enumerate(seats):
        for _ in range(seat.servers):
            rank = len(specs) - 1
            env = {**_common(job, "server", root), "DMLC_SERVER_ID": str(rank)}
            specs.append(ProcessSpec("server", rank, job.role_command, env, seat.host.name, site))
    first = len(specs)
    for site, seat in enumerate(seats):
        for local in range(seat.workers):
            rank = len(specs) - first
            # --env may name another master.
            env = {**master, **_common(job, "worker", root), **_worker(job, rank, local, seat)}
            specs.append(ProcessSpec("worker", rank, job.command, env, seat.host.name, site))
    return tuple(specs)


def _worker(job: Job, rank: int, local: int, seat: Seat) -> dict[str, str]:
    env = {
        "DMLC_WORKER_ID": str(rank),
        # torch's names, for scripts that read them.
        "RANK": str(rank),
        "WORLD_SIZE": str(job.workers),
        "LOCAL_RANK": str(local),
        "LOCAL_WORLD_SIZE": str(seat.workers),
    }
    if seat.hands:
        env["CUDA_VISIBLE_DEVICES"] = cuda_visible_devices(seat.hands[local])
        env["PUSHGRAD_DEVICES"] = pushgrad_devices(seat.hands[local])
    if share_a_gpu(seat.hands):  # told to all workers: those that meet on one GPU would otherwise refuse it
        env["PUSHGRAD_SHARED_GPUS"] = "1"
    return env


def _common(job: Job, role: str, root: str) -> dict[str, str]:
    # Later ones win: what makes the job comes last. (`parse_env` refuses --env of such a name, so that users notice.)
    return {
        **job.defaults,
        **job.env,
        **job.snapshots,
        "DMLC_ROLE": role,
        "DMLC_PS_ROOT_URI": root,
        "DMLC_PS_ROOT_PORT": CHOSEN_PORT,
        "DMLC_NUM_WORKER": str(job.workers),
        "DMLC_NUM_SERVER": str(job.servers),
        "PUSHGRAD_JOB_ID": job.job_id,
        "PUSHGRAD_GENERATION": str(job.generation),
        "PUSHGRAD_LAUNCHED": "1",
        "PUSHGRAD_START_TIMEOUT": f"{job.start_timeout:g}",
    }
