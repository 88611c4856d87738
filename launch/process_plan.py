"""What a cluster kind is: from a job to the list of its processes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from .job import Job

# Known only once the scheduler has bound it: the process that listens chooses, so that nobody can take it in between.
CHOSEN_PORT = "<chosen by the scheduler>"

PREFIXES = {"worker": "w", "server": "ps", "scheduler": "sched"}

# What `launch` says itself. Values left over from another job must not reach this one, and --env must not contradict.
OWNED = frozenset(
    {
        "DMLC_ROLE",
        "DMLC_PS_ROOT_URI",
        "DMLC_PS_ROOT_PORT",
        "DMLC_NUM_WORKER",
        "DMLC_NUM_SERVER",
        "DMLC_NODE_HOST",
        "DMLC_INTERFACE",
        "DMLC_WORKER_ID",
        "DMLC_SERVER_ID",
        "RANK",
        "WORLD_SIZE",
        "LOCAL_RANK",
        "LOCAL_WORLD_SIZE",
        "PUSHGRAD_JOB_ID",
        "PUSHGRAD_JOB_DIR",
        "PUSHGRAD_KEYS",
        "PUSHGRAD_STATUS_FD",
        "PUSHGRAD_LAUNCHED",
        "PUSHGRAD_DEVICES",
        "PUSHGRAD_SHARED_GPUS",
    }
)


@dataclass(frozen=True)
class ProcessSpec:
    """One process of a job: what it runs, and the environment that is added to the inherited one."""

    role: str
    rank: int
    argv: tuple[str, ...]
    env: Mapping[str, str]
    host: str

    @property
    def name(self) -> str:
        """The short name that prefixes its output: w0, ps1, sched."""
        return PREFIXES[self.role] + ("" if self.role == "scheduler" else str(self.rank))

    @property
    def title(self) -> str:
        """The name for people: worker 0, server 1, scheduler."""
        return self.role if self.role == "scheduler" else f"{self.role} {self.rank}"

    def with_port(self, port: int) -> ProcessSpec:
        """This process, told where the scheduler listens."""
        if self.env.get("DMLC_PS_ROOT_PORT") != CHOSEN_PORT:
            return self
        return replace(self, env={**self.env, "DMLC_PS_ROOT_PORT": str(port)})

    def shell(self) -> str:
        """The command as a line for a POSIX shell."""
        settings = [f"{name}={shlex.quote(value)}" for name, value in self.env.items()]
        return " ".join(["env", *settings, shlex.join(self.argv)])


class Cluster(Protocol):
    """A kind of cluster. Planning touches nothing, so that --dry-run and tests can look at the outcome."""

    def plan(self, job: Job) -> list[ProcessSpec]:
        """The job's processes: the scheduler first, then the servers, then the workers, each by rank."""
        ...


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The launcher's environment without what belongs to some other job."""
    return {name: value for name, value in environ.items() if name not in OWNED}


def count(number: int, noun: str) -> str:
    """`1 worker`, `2 workers`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
