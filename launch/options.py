"""From the options that a user has given to a Job. Every refusal names the option and, where there is one, a remedy."""

from __future__ import annotations

import math
import os
import secrets
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from ..common.errors import JobError
from ..common.job import MOST_MEMBERS
from ..common.job import start_timeout as start_timeout_in
from .clusters.engine import check_options, engine
from .clusters.hosts import Host, Seat, read_hosts, seats
from .clusters.nodes import Nodes, check_keys, nodes
from .gpus import ALL, CPU, all_gpus, deal, parse_gpus, parse_range, present_gpus, visible_devices
from .job import ROLE, Job
from .process_plan import OWNED
from .runs.place import check_writable, runs_folder
from .script import worker_command
from .surroundings import check_folder, short_temp_folder, thread_defaults

NO_KEYBOARD = "pushgrad.common.no_keyboard.refuse"  # what breakpoint() calls; the standard input of workers is empty


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
    python: str | None = None
    gpus: str | None = None
    env: Sequence[str] = ()
    runs: str | None = None
    separate_logs: bool = False
    timeout: float | None = None
    start_timeout: float | None = None
    grace_period: float = 30.0
    max_restarts: int = 0


def make_job(options: Options, environ: Mapping[str, str] | None = None) -> Job:
    """Check the options and make a Job of them; nothing is created yet.

    `environ` takes the place of this process's environment. Raises JobError naming the option that cannot be met.
    """
    environ = os.environ if environ is None else environ
    _check_platform()
    check_folder()
    _check_restarts(options.max_restarts)
    check_options(options.cluster, engine(options.cluster), vars(options))
    env = parse_env(options.env)
    python = options.python or sys.executable
    team = _team(options, env, environ)
    sync = Path(options.script).absolute().parent if options.sync else None
    job = Job(
        command=_command(options, python),
        python=python,
        env=env,
        timeout=None if options.timeout is None else _seconds("--timeout", options.timeout),
        start_timeout=_start_timeout(options.start_timeout, env, environ),
        grace_period=_seconds("--grace-period", options.grace_period, zero=True),
        separate_logs=options.separate_logs,
        workdir=Path(options.workdir) if options.workdir else sync or Path.cwd(),
        sync=sync,
        mpirun=_words("--mpirun", options.mpirun or "mpirun"),
        surroundings=environ if options.cluster == "env" else {},
        **team,
        **_places(options.runs, environ),
    )
    return job if options.python is None else replace(job, role_command=(python, *ROLE))


def _command(options: Options, python: str) -> tuple[str, ...]:
    if options.sync and options.module:
        raise JobError("--sync copies the folder of a script, and --module names none", remedy="Leave one of them out")
    command = worker_command(options.script, options.module, python)
    if options.sync and Path(options.script).exists():  # the script's folder is the processes' own there
        command = (*command[:-1], f".{os.sep}{Path(options.script).name}")
    return (*command, *options.args)


class _Team(TypedDict):
    workers: int
    servers: int
    hands: tuple[tuple[str, ...], ...]
    seats: tuple[Seat, ...]
    defaults: dict[str, str]
    nodes: Nodes | None


def _team(options: Options, env: Mapping[str, str], environ: Mapping[str, str]) -> _Team:
    """How many processes there are of a kind, on which hosts, and with which devices."""
    for option in ("workers", "servers", "workers_per_host", "servers_per_host"):
        if (value := getattr(options, option)) is not None:
            _members(f"--{option.replace('_', '-')}", value)
    if options.hostfile is not None:
        return _team_on_hosts(options)
    if options.cluster == "env" and (found := nodes(environ)) is not None:
        check_keys({**environ, **env}, found)
        return _team_on_nodes(options, found, environ)
    if "hostfile" in engine(options.cluster).needs:
        raise JobError(f"--cluster {options.cluster} needs --hostfile", expected="a file with a host in each line")
    hands = deal_gpus(options.gpus, options.workers, env, environ)
    workers = _members("--workers", max(1, len(hands)) if options.workers is None else options.workers)
    known = environ if engine(options.cluster).here else {}
    # How many threads each has is settled where the cores are: elsewhere, by the agents.
    threads = thread_defaults(workers, environ) if engine(options.cluster).here else {}
    return _Team(
        workers=workers,
        servers=options.servers or 1,
        hands=hands,
        seats=(),
        defaults=threads | _defaults(bool(hands), known),
        nodes=None,
    )


def _team_on_nodes(options: Options, found: Nodes, environ: Mapping[str, str]) -> _Team:
    """A job on nodes that somebody else has started: as many workers on each as it has GPUs, and a server."""
    hands = deal_gpus(options.gpus, options.workers_per_host, {}, environ)
    many = options.workers_per_host or len(hands) or found.gpus or 1
    if found.gpus == many and not hands and "CUDA_VISIBLE_DEVICES" not in environ:
        hands = tuple((str(index),) for index in range(many))
    placed = seats(
        [Host(f"node {number}") for number in range(found.count)],
        options.workers,
        options.servers or (1 if found.alike and options.servers_per_host is None else None),
        many,
        options.servers_per_host,
    )
    return _Team(
        workers=_members("--workers", sum(seat.workers for seat in placed)),
        servers=_members("--servers", sum(seat.servers for seat in placed)),
        hands=(),
        seats=tuple(replace(seat, hands=hands) for seat in placed),
        defaults=thread_defaults(many, environ) | _defaults(bool(hands), environ),
        nodes=found,
    )


def _team_on_hosts(options: Options) -> _Team:
    if options.gpus is not None:
        raise JobError("--gpus counts the GPUs of this host", remedy="Write gpus=0,1 behind the hosts in --hostfile")
    placed = seats(
        read_hosts(Path(options.hostfile or "")),
        options.workers,
        options.servers,
        options.workers_per_host,
        options.servers_per_host,
    )
    return _Team(
        workers=_members("--workers", sum(seat.workers for seat in placed)),
        servers=_members("--servers", sum(seat.servers for seat in placed)),
        hands=(),
        seats=placed,
        defaults=_defaults(any(seat.hands for seat in placed), {}),
        nodes=None,
    )


class _Places(TypedDict):
    job_id: str
    job_dir: Path
    run_dir: Path


def _places(runs: str | None, environ: Mapping[str, str]) -> _Places:
    """A new job's name and folders."""
    job_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    folder = runs_folder(runs, environ)
    check_writable(runs, folder)
    return {"job_id": job_id, "job_dir": short_temp_folder() / f"pushgrad-{job_id}", "run_dir": folder / job_id}


def _start_timeout(given: float | None, added: Mapping[str, str], environ: Mapping[str, str]) -> float:
    """The option, else the variable that every process reads, from --env or from our own environment; else 60 s."""
    if given is None:
        return start_timeout_in({**environ, **added})
    if "PUSHGRAD_START_TIMEOUT" in added:
        raise JobError(
            "--start-timeout and --env PUSHGRAD_START_TIMEOUT contradict each other", remedy="Use one of them"
        )
    return _seconds("--start-timeout", given)


def parse_ranks(text: str, count: int, option: str = "--ranks", role: str = "worker") -> frozenset[int]:
    """The ranks of `0,2` or `0-3`. Raises JobError if they are malformed, or not among those of so many processes."""
    ranks: set[int] = set()
    for entry in text.split(","):
        numbers = parse_range(entry.strip())
        if numbers is None:
            raise JobError(option, expected="ranks between commas, such as 0,2 or 0-3", got=repr(text))
        if numbers[-1] >= count:
            raise JobError(option, expected=f"ranks of the job's {role}s, 0 to {count - 1}", got=numbers[-1])
        ranks.update(numbers)
    return frozenset(ranks)


def parse_env(settings: Sequence[str]) -> dict[str, str]:
    """The `NAME=VALUE` strings of --env as a dict. Raises JobError for a malformed one and for a name in OWNED."""
    env: dict[str, str] = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign or not name or "\0" in setting:
            # The value may be a secret that lost its name: it is not repeated.
            raise JobError("--env", expected="NAME=VALUE", got=repr(name) if sign else "no '='")
        if name in OWNED:
            raise JobError(f"--env {name}: `launch` sets {name} itself for every process", remedy="Leave it out")
        env[name] = value
    return env


def deal_gpus(
    gpus: str | None, workers: int | None, added: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[tuple[str, ...], ...]:
    """What each worker is dealt, by rank: names for CUDA_VISIBLE_DEVICES, and `cpu`. () without --gpus.

    `added` is what --env sets. Raises JobError if the list is malformed, cannot be dealt evenly, or names a GPU that
    does not exist.
    """
    if gpus is None:
        return ()
    if "CUDA_VISIBLE_DEVICES" in added:
        raise JobError("--gpus and --env CUDA_VISIBLE_DEVICES contradict each other", remedy="Use one of them")
    entries = parse_gpus(gpus)
    if ALL in entries:
        entries = all_gpus(entries, environ, present_gpus())
    _members("--workers", len(entries) if workers is None else workers)
    # Once before looking at the machine: a list that cannot be dealt is the simpler error. The names that CUDA uses
    # are dealt below, where two entries may turn out to be the same GPU.
    deal(entries, workers or len(entries))
    if any(entry != CPU for entry in entries):
        entries = visible_devices(entries, environ, present_gpus())
    hands = deal(entries, workers or len(entries))
    return tuple(map(tuple, hands))


def _defaults(deals_gpus: bool, environ: Mapping[str, str]) -> dict[str, str]:
    wanted = {"PYTHONUNBUFFERED": "1", "PYTHONBREAKPOINT": NO_KEYBOARD}
    if deals_gpus and "CUDA_VISIBLE_DEVICES" not in environ:
        wanted["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as nvidia-smi numbers them; CUDA itself puts the fastest first
    return {name: value for name, value in wanted.items() if name not in environ}


def _check_platform() -> None:
    if not sys.platform.startswith("linux"):
        raise JobError(
            f"`launch` needs Linux, this is {sys.platform}",
            remedy="`python train.py` trains in one process on this system",
        )


def _check_restarts(max_restarts: int) -> None:
    if max_restarts != 0:
        raise JobError(
            f"--max-restarts {max_restarts}: dead processes cannot be replaced yet",
            expected="0",
            remedy="Leave the option out; a failed job continues from its last checkpoint with begin_epoch",
        )


def _members(option: str, value: int) -> int:
    if not 1 <= value <= MOST_MEMBERS:
        raise JobError(option, expected=f"1 to {MOST_MEMBERS}" if value > 0 else "1 or more", got=value)
    return value


def _words(option: str, text: str) -> tuple[str, ...]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise JobError(f"{option}: {error}", got=repr(text)) from None
    if not words:
        raise JobError(option, expected="a command", got=repr(text))
    return tuple(words)


def _seconds(option: str, value: float, zero: bool = False) -> float:
    if not (math.isfinite(value) and 0 <= value < 1e9) or (value == 0 and not zero):
        raise JobError(option, expected=f"a number of seconds, {'0 or more' if zero else 'above 0'}", got=value)
    return value
