"""All processes on this machine, talking over the loopback interface."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

from ..job import Job
from ..process_plan import FREE_PORT, Plan
from .engine import Engine
from .hosts import Host, Seat
from .members import members

LOOPBACK = "127.0.0.1"


class Local(Engine):
    """The engine of one host: no keys are needed, and `launch` starts the processes itself."""

    here = True

    def plan(self, job: Job) -> Plan:
        """List the job's processes."""
        seat = Seat(Host(socket.gethostname()), job.workers, job.servers, job.hands)
        specs = members(job, [seat], LOOPBACK, {"MASTER_ADDR": LOOPBACK, "MASTER_PORT": FREE_PORT})
        here = {"DMLC_NODE_HOST": LOOPBACK, "PUSHGRAD_JOB_DIR": str(job.job_dir)}
        if job.keys is not None:
            here["PUSHGRAD_KEYS"] = str(job.keys)
        if job.root_port is not None:  # all can be started at once
            here["DMLC_PS_ROOT_PORT"] = str(job.root_port)
        return Plan(tuple(replace(spec, env={**spec.env, **here}) for spec in specs))

    def describe(self, job: Job, plan: Plan) -> list[str]:
        """Lines that start each process in the background of this shell."""
        from ..dry_run import by_hand

        return by_hand(job, plan.specs, os.environ)
