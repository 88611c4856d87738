"""Ray: an actor for each process, in a placement group; Ray chooses the nodes and gives the GPUs."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ...common.errors import JobError
from ...common.extras import install
from ..config import is_secret
from ..gpus import pushgrad_devices
from ..process_plan import FREE_PORT_THERE, Plan, ProcessSpec, Site
from .agent import MODULE
from .engine import Engine
from .hosts import Host, Seat
from .members import members
from .pairs import check_pairs
from .ray_actors import Asked

if TYPE_CHECKING:
    from ..display import Display
    from ..job import Job

HOST = "<by Ray>"
THERE = Path()  # the folder in which Ray starts an actor: with --sync a copy, of which each node has its own
ACTORS = ("-P", "-m", "pushgrad.launch.clusters.ray_actors")
SHARE = re.compile(r"[1-9][0-9]{0,3}|0?\.[0-9]{0,3}[1-9]"), "a whole number, or a part of one such as 0.5"
STRATEGIES = ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD")
# What --ray may name, how its value looks, and the same in words.
SETTINGS = {
    "cpus": SHARE,
    "gpus": SHARE,
    "server-cpus": SHARE,
    "strategy": (re.compile("|".join(STRATEGIES)), " or ".join(STRATEGIES)),
}
SCHEDULER_CPUS = 0.01  # it hardly computes, and must not take the core of a worker
PATIENCE = 0.7  # of the time in which an agent must report: Ray has words for what is missing, a silent agent none


class Ray(Engine):
    """One actor per process; each holds an agent of ours, which dials `launch`.

    `launch` itself has nothing to do with Ray: a program beside it makes the actors, and they last as long as it does.
    """

    takes = ("workdir", "sync", "address", "ray")

    def plan(self, job: Job) -> Plan:
        """The processes, and the program that makes their actors. Which node is whose is seen when agents report."""
        if job.hands:
            raise JobError(
                "--gpus counts the GPUs of this host", remedy="`--ray gpus=1` gives each worker one of Ray's"
            )
        check_pairs("--ray", job.ray, SETTINGS)
        if job.sync is not None and job.workdir not in (job.sync, THERE):
            raise JobError(
                "--workdir and --sync contradict each other", remedy="Ray itself says where it copies the folder"
            )
        seat = Seat(Host(HOST), job.workers, job.servers)
        specs = members(job, [seat], HOST, {"MASTER_ADDR": HOST, "MASTER_PORT": FREE_PORT_THERE})
        asked = Asked(
            address=job.address,
            strategy=job.ray.get("strategy", "PACK"),
            bundles=[_bundle(job, spec) for spec in specs],
            agent=[job.python, *MODULE],
            patience=PATIENCE * job.start_timeout,
            working_dir=None if job.sync is None else str(job.sync),
        )
        return Plan(
            tuple(replace(spec, site=site, env=_environ(job, spec)) for site, spec in enumerate(specs)),
            tuple(Site(f"the actor of {spec.title}") for spec in specs),
            (sys.executable, *ACTORS, asked.text()),
        )

    def describe(self, job: Job, plan: Plan) -> list[str]:
        """The line that has Ray run `launch` on the cluster, and what that would ask Ray for."""
        from .ray_jobs import entrypoint

        asked = Asked.parse(plan.starter[-1])
        where = ["--address", job.address] if job.address.startswith("http") else []
        folder = ["--working-dir", str(job.sync)] if job.sync else []
        return [
            f"# a placement group, {asked.strategy}, with an actor for each process:",
            *(f"#   {spec.title}: {_words(each)}" for spec, each in zip(plan.specs, asked.bundles, strict=True)),
            *(f"# {name} is not handed on: Ray shows what it is asked to run" for name in job.env if is_secret(name)),
            shlex.join(["ray", "job", "submit", *where, *folder, "--", *entrypoint(job)]),
        ]

    def run(self, job: Job, plan: Plan, display: Display, **how: bool) -> int:
        """Run it on the cluster of which this host is part or a client, or submit it to one."""
        if find_spec("ray") is None:
            raise JobError(f"--cluster ray: Ray is not installed for {sys.executable}", remedy=install("ray"))
        if job.address.startswith("http"):
            from .ray_jobs import submit

            return submit(job, display, quiet=how.get("quiet", False))
        return super().run(replace(job, workdir=THERE) if job.sync else job, plan, display, **how)


def _bundle(job: Job, spec: ProcessSpec) -> dict[str, float]:
    """What an actor asks for."""
    if spec.role == "scheduler":
        return {"CPU": SCHEDULER_CPUS}
    if spec.role == "server":
        return {"CPU": _cpus(job, spec.role)}
    gpus = float(job.ray.get("gpus", 0))
    return {"CPU": _cpus(job, spec.role)} | ({"GPU": gpus} if gpus else {})


def _words(bundle: dict[str, float]) -> str:
    return ", ".join(f"{number:g} {what}" for what, number in bundle.items())


def _cpus(job: Job, role: str) -> float:
    return float(job.ray.get("cpus" if role == "worker" else "server-cpus", 1))


def _environ(job: Job, spec: ProcessSpec) -> dict[str, str]:
    """As many threads as CPUs; and the GPUs, which Ray numbers as nvidia-smi does and names in CUDA_VISIBLE_DEVICES."""
    threads = str(max(1, int(_cpus(job, spec.role))))
    env = {"OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads, **spec.env}
    gpus = float(job.ray.get("gpus", 0))
    if spec.role == "worker" and gpus:
        env = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", **env}
        env["PUSHGRAD_DEVICES"] = pushgrad_devices([HOST] * max(1, int(gpus)))
        if gpus < 1:
            env["PUSHGRAD_SHARED_GPUS"] = "1"
    return env
