"""What an engine makes of a job: the list of its processes, and who starts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

# The port is known only when the scheduler has bound it. The process that listens must choose it: between choosing and
# binding, anybody else could take it.
CHOSEN_PORT = "<chosen by the scheduler>"

# The port at which torch's rank 0 listens: chosen when the job is run; see held_port.py.
FREE_PORT = "<a free port>"

# The same on another host: its agent chooses it.
FREE_PORT_THERE = "<a free port of the first worker's host>"

PREFIXES = {"worker": "w", "server": "ps", "scheduler": "sched"}

# Variables that `launch` sets itself. Values left over from another job (`launch` within a job) must not reach this
# one, and --env must not contradict them.
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
        "PUSHGRAD_GENERATION",
        "PUSHGRAD_OUTPUT",
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
    """One process of a job: its argv, and the variables that are added to the environment that it inherits.

    `host` is for people. `site` is the index in the plan of the site whose agent starts it, if there are sites.
    """

    role: str
    rank: int
    argv: tuple[str, ...]
    env: Mapping[str, str]
    host: str
    site: int = 0

    @property
    def name(self) -> str:
        """The short name that prefixes its output: w0, ps1, sched."""
        return PREFIXES[self.role] + ("" if self.role == "scheduler" else str(self.rank))

    @property
    def title(self) -> str:
        """The long name, for messages: worker 0, server 1, scheduler."""
        return self.role if self.role == "scheduler" else f"{self.role} {self.rank}"

    def with_port(self, port: int) -> ProcessSpec:
        """The same process, with the port on which the scheduler listens in its environment."""
        if self.env.get("DMLC_PS_ROOT_PORT") != CHOSEN_PORT:
            return self
        return replace(self, env={**self.env, "DMLC_PS_ROOT_PORT": str(port)})


@dataclass(frozen=True)
class Site:
    """Where an agent of ours (clusters/host_agent.py) starts processes, for as long as it is connected with `launch`.

    `commands` are run here, one after the other; the last one starts the agent and is its connection. A site without
    commands has its agent from the plan's `starter`.
    """

    name: str
    commands: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Plan:
    """A job's processes: the scheduler first (runner.py relies on it), then servers and workers by rank.

    Without `sites`, `launch` starts them itself on this host. `starter` is a command that starts the agents of all
    sites, each knowing its number, on hosts that it chooses; they dial `launch` (clusters/dialing.py). It does not
    inherit the variables `withheld`. Of a `partial` plan other launches run the rest: the scheduler may be elsewhere,
    and servers may have other nodes' workers.
    """

    specs: tuple[ProcessSpec, ...]
    sites: tuple[Site, ...] = ()
    starter: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    partial: bool = False


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The launcher's environment `environ` without what belongs to another job."""
    return {name: value for name, value in environ.items() if name not in OWNED}


def count(number: int, noun: str) -> str:
    """A number with its noun: `1 worker`, `2 workers`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
