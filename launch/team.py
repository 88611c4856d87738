"""From options to the processes that a job has: how many, on which hosts, with which GPUs and threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from ..common.errors import JobError
from ..common.job import MOST_MEMBERS
from .clusters.engine import engine
from .clusters.hosts import Host, Seat, read_hosts, seats
from .clusters.nodes import Nodes, check_keys, nodes
from .given import Options
from .gpus import ALL, CPU, all_gpus, deal, parse_gpus, present_gpus, visible_devices
from .surroundings import thread_defaults

NO_KEYBOARD = "pushgrad.common.no_keyboard.refuse"  # what breakpoint() calls; the standard input of workers is empty


class Team(TypedDict):
    """What a Job says of its processes; see there."""

    workers: int
    servers: int
    hands: tuple[tuple[str, ...], ...]
    seats: tuple[Seat, ...]
    defaults: dict[str, str]
    nodes: Nodes | None


def team(options: Options, env: Mapping[str, str], environ: Mapping[str, str]) -> Team:
    """How many processes there are of a kind, on which hosts, and with which devices.

    `env` is what --env sets. Raises JobError naming the option that cannot be met.
    """
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
    return Team(
        workers=workers,
        servers=options.servers or 1,
        hands=hands,
        seats=(),
        defaults=threads | _defaults(bool(hands), known),
        nodes=None,
    )


def _team_on_nodes(options: Options, found: Nodes, environ: Mapping[str, str]) -> Team:
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
    return Team(
        workers=_members("--workers", sum(seat.workers for seat in placed)),
        servers=_members("--servers", sum(seat.servers for seat in placed)),
        hands=(),
        seats=tuple(replace(seat, hands=hands) for seat in placed),
        defaults=thread_defaults(many * found.sharing, environ) | _defaults(bool(hands), environ),
        nodes=found,
    )


def _team_on_hosts(options: Options) -> Team:
    if options.gpus is not None:
        raise JobError("--gpus counts the GPUs of this host", remedy="Write gpus=0,1 behind the hosts in --hostfile")
    placed = seats(
        read_hosts(Path(options.hostfile or "")),
        options.workers,
        options.servers,
        options.workers_per_host,
        options.servers_per_host,
    )
    return Team(
        workers=_members("--workers", sum(seat.workers for seat in placed)),
        servers=_members("--servers", sum(seat.servers for seat in placed)),
        hands=(),
        seats=placed,
        defaults=_defaults(any(seat.hands for seat in placed), {}),
        nodes=None,
    )


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


def _members(option: str, value: int) -> int:
    if not 1 <= value <= MOST_MEMBERS:
        raise JobError(option, expected=f"1 to {MOST_MEMBERS}" if value > 0 else "1 or more", got=value)
    return value
