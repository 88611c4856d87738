"""Nodes on which somebody else has started `launch`: what is to run on this one follows from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from ...common.errors import JobError
from ...common.job import JobEnv
from ..job import Job
from ..process_plan import CHOSEN_PORT, OWNED, Plan, ProcessSpec
from .engine import Engine
from .members import members
from .nodes import Nodes

HERE = "this host"
DESCRIBED_BY = (
    "DMLC_ROLE (of dmlc trackers), SKYPILOT_NODE_IPS, DSTACK_NODES_NUM, or RANK, WORLD_SIZE and MASTER_ADDR of torchrun"
)


class Env(Engine):
    """`launch` runs on each node and starts the node's own processes; with DMLC_ROLE set, the one with that role."""

    takes = ("workers_per_host", "servers_per_host")
    here = True
    restarts = False  # other nodes' launches would not know

    def plan(self, job: Job) -> Plan:
        """The processes of this node. The job's surroundings are in the job already (options.py)."""
        if job.nodes is not None:
            return Plan(_of_node(job, job.nodes), partial=True)
        if job.surroundings.get("DMLC_ROLE"):
            return Plan((_of_role(job),), partial=True)
        raise JobError("--cluster env: nothing in the environment describes a job", expected=DESCRIBED_BY)

    def describe(self, job: Job, plan: Plan) -> list[str]:
        """Lines that start this node's processes in the background of this shell."""
        from ..dry_run import by_hand

        return by_hand(job, plan.specs, os.environ)


def _of_node(job: Job, nodes: Nodes) -> tuple[ProcessSpec, ...]:
    master = {name: job.surroundings.get(name, value) for name, value in _master(nodes).items()}
    common = {
        "PUSHGRAD_JOB_ID": nodes.job,
        **_kept(job.surroundings, "PUSHGRAD_KEYS", "DMLC_NODE_HOST", "DMLC_INTERFACE"),
    }
    if nodes.alike:  # the node's place on its host is known to who has started it
        common |= _kept(job.surroundings, "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    specs = []
    for spec in members(job, job.seats, nodes.root, master):
        port = nodes.port if spec.env["DMLC_PS_ROOT_PORT"] in (CHOSEN_PORT, "0") else spec.env["DMLC_PS_ROOT_PORT"]
        specs.append(replace(spec, env={**spec.env, **common, "DMLC_PS_ROOT_PORT": port}))
    return tuple(spec for spec in specs if spec.site == nodes.number)


def _master(nodes: Nodes) -> dict[str, str]:
    """torch's meeting place: any port but the scheduler's would do."""
    return {"MASTER_ADDR": nodes.root, "MASTER_PORT": "29500"}


def _of_role(job: Job) -> ProcessSpec:
    env = JobEnv.from_env(job.surroundings)
    assert env is not None  # there is a role
    command = job.command if env.role == "worker" else job.role_command
    variables = {**job.defaults, **job.env, **_kept(job.surroundings, *OWNED), "PUSHGRAD_LAUNCHED": "1"}
    if env.role == "worker" and env.rank is not None:
        variables = {"RANK": str(env.rank), "WORLD_SIZE": str(env.num_workers), **variables}
    return ProcessSpec(env.role, env.rank or 0, command, variables, HERE)


def _kept(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: environ[name] for name in names if environ.get(name)}
