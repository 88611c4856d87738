"""All processes on this machine, talking over the loopback interface."""

from __future__ import annotations

import socket

from .gpus import cuda_visible_devices, pushgrad_devices, share_a_gpu
from .job import Job
from .process_plan import CHOSEN_PORT, FREE_PORT, ProcessSpec

LOOPBACK = "127.0.0.1"


class LocalCluster:
    """The cluster of one host: no keys are needed, and the scheduler chooses its port."""

    def plan(self, job: Job) -> list[ProcessSpec]:
        """List the job's processes: scheduler, servers, workers."""
        host = socket.gethostname()
        # Port 0: the scheduler binds a free one and reports it. A port chosen here could be taken before it is bound.
        scheduler = {**_common(job, "scheduler"), "DMLC_PS_ROOT_PORT": "0"}
        specs = [ProcessSpec("scheduler", 0, job.role_command, scheduler, host)]
        for rank in range(job.servers):
            env = {**_common(job, "server"), "DMLC_SERVER_ID": str(rank)}
            specs.append(ProcessSpec("server", rank, job.role_command, env, host))
        for rank in range(job.workers):
            specs.append(ProcessSpec("worker", rank, job.command, _worker(job, rank), host))
        return specs


def _worker(job: Job, rank: int) -> dict[str, str]:
    env = {
        # For scripts that use torch.distributed beside us; --env may name another place.
        "MASTER_ADDR": LOOPBACK,
        "MASTER_PORT": FREE_PORT,
        **_common(job, "worker"),
        "DMLC_WORKER_ID": str(rank),
        # torch's names, for scripts that read them.
        "RANK": str(rank),
        "WORLD_SIZE": str(job.workers),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(job.workers),
    }
    if job.hands:
        env["CUDA_VISIBLE_DEVICES"] = cuda_visible_devices(job.hands[rank])
        env["PUSHGRAD_DEVICES"] = pushgrad_devices(job.hands[rank])
    if share_a_gpu(job.hands):  # told to all workers: those that meet on one GPU would otherwise refuse it
        env["PUSHGRAD_SHARED_GPUS"] = "1"
    return env


def _common(job: Job, role: str) -> dict[str, str]:
    # Later ones win: what makes the job comes last. (`parse_env` refuses --env of such a name, so that users notice.)
    env = {
        **job.defaults,
        **job.env,
        "DMLC_ROLE": role,
        "DMLC_PS_ROOT_URI": LOOPBACK,
        "DMLC_PS_ROOT_PORT": CHOSEN_PORT,
        "DMLC_NUM_WORKER": str(job.workers),
        "DMLC_NUM_SERVER": str(job.servers),
        "DMLC_NODE_HOST": LOOPBACK,
        "PUSHGRAD_JOB_ID": job.job_id,
        "PUSHGRAD_JOB_DIR": str(job.job_dir),
        "PUSHGRAD_LAUNCHED": "1",
        "PUSHGRAD_START_TIMEOUT": f"{job.start_timeout:g}",
    }
    if job.keys is not None:
        env["PUSHGRAD_KEYS"] = str(job.keys)
    return env
