"""The hosts of a job: the file that names them, and how many workers and servers each is given.

The file is Open MPI's: `host slots=n` per line, which DeepSpeed, Horovod and accelerate read as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ...common.errors import JobError
from ...common.job import MOST_MEMBERS
from ..gpus import ALL, deal, parse_gpus

EXPECTED = "host[:port] [slots=n] [gpus=0,1]"
# A name as ssh takes it, with a user or not. It must not look like an option: `-oProxyCommand=...` would be run.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@%-]*")
NAME_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.%a-z]+\]|[^\[\]:]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True)
class Host:
    """A line of the file. `slots` is how many workers it may have, `gpus` what they are dealt, if it says so."""

    name: str
    port: int | None = None
    slots: int | None = None
    gpus: tuple[str, ...] | None = None

    @property
    def room(self) -> int:
        """How many workers it is given if nobody says how many."""
        return len(self.gpus or ("",)) if self.slots is None else self.slots

    @property
    def address(self) -> str:
        """Its name without that of a user."""
        return self.name.rpartition("@")[2]

    @property
    def key(self) -> str:
        """What is one host only once in a file."""
        return self.name if self.port is None else f"{self.name}:{self.port}"


@dataclass(frozen=True)
class Seat:
    """What a host has of a job: so many workers and servers; for each of the workers what it is dealt, if anything."""

    host: Host
    workers: int
    servers: int
    hands: tuple[tuple[str, ...], ...] = ()


def read_hosts(path: Path) -> tuple[Host, ...]:
    """The hosts in a file. Raises JobError naming the file and the line that makes no sense."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise JobError(f"--hostfile {path}: {why}") from None
    return parse_hosts(text, f"--hostfile {path}")


def parse_hosts(text: str, where: str) -> tuple[Host, ...]:
    """The hosts in the text of a file, `where` being its name in errors, which are JobErrors. `#` begins a comment."""
    hosts: dict[str, Host] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            host = _host(words, f"{where}, line {number}")
            if host.key in hosts:
                raise JobError(f"{where}, line {number}: {host.key} is there already", remedy="One line with slots=n")
            hosts[host.key] = host
    if not hosts:
        raise JobError(f"{where}: it names no host", expected=f"lines such as {EXPECTED}")
    return tuple(hosts.values())


def _host(words: Sequence[str], where: str) -> Host:
    match = NAME_AND_PORT.fullmatch(words[0])
    name = match[1].strip("[]") if match else ""
    if match is None or not (NAME.fullmatch(name) or match[1].startswith("[")):
        raise JobError(where, expected=EXPECTED, got=repr(words[0]))
    port = None if match[2] is None else _whole(match[2], 1, 65535, f"{where}: port")
    settings = dict(_settings(words[1:], where))
    slots = settings.get("slots")
    gpus = settings.get("gpus")
    host = Host(
        name,
        port,
        None if slots is None else _whole(slots, 0, MOST_MEMBERS, f"{where}: slots"),
        None if gpus is None else _gpus(gpus, where),
    )
    if host.gpus is not None and host.slots:
        deal(host.gpus, host.slots)
    return host


def _settings(words: Sequence[str], where: str) -> Iterator[tuple[str, str]]:
    for word in words:
        name, sign, value = word.partition("=")
        if name not in ("slots", "gpus") or not sign:
            raise JobError(where, expected=EXPECTED, got=repr(word))
        yield name, value


def _gpus(text: str, where: str) -> tuple[str, ...]:
    entries = parse_gpus(text)
    if ALL in entries:
        raise JobError(f"{where}: gpus=all", expected="their numbers, as nobody has looked at that host yet", got=text)
    return tuple(entries)


def _whole(text: str, low: int, high: int, what: str) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text[:9]) <= high):
        raise JobError(what, expected=f"{low} to {high}", got=repr(text))
    return int(text)


def seats(
    hosts: Sequence[Host],
    workers: int | None,
    servers: int | None,
    workers_per_host: int | None,
    servers_per_host: int | None,
) -> tuple[Seat, ...]:
    """How many workers and servers each host has, in the order of the file, without hosts that have none.

    Without numbers, a host has as many workers as slots, else as GPUs, else one; and one server. So many `workers` fill
    the slots from the first host on, or are spread evenly where nothing says how many a host has. Raises JobError if
    there is no room for them, or if numbers contradict each other.
    """
    placed = _workers(hosts, workers, workers_per_host)
    _agree("servers", servers, servers_per_host, len(hosts))
    if servers is None or servers_per_host is not None:
        served = [servers_per_host or (1 if number else 0) for number in placed]
    else:
        served = [servers // len(hosts) + (place < servers % len(hosts)) for place in range(len(hosts))]
    everything = zip(hosts, placed, served, strict=True)
    return tuple(Seat(host, many, few, _hands(host, many)) for host, many, few in everything if many or few)


def _workers(hosts: Sequence[Host], workers: int | None, per_host: int | None) -> list[int]:
    _agree("workers", workers, per_host, len(hosts))
    if per_host is not None:
        return [per_host] * len(hosts)
    if workers is None:
        return [host.room for host in hosts]
    if all(host.slots is None and host.gpus is None for host in hosts):
        share = [place * workers // len(hosts) for place in range(len(hosts) + 1)]
        return [after - before for before, after in pairwise(share)]
    return _filled(hosts, workers)


def _agree(what: str, total: int | None, per_host: int | None, hosts: int) -> None:
    if total is not None and per_host is not None and total != per_host * hosts:
        raise JobError(
            f"--{what} {total} and --{what}-per-host {per_host} on {hosts} hosts contradict each other",
            remedy="Use one of them",
        )


def _filled(hosts: Sequence[Host], workers: int) -> list[int]:
    room = sum(host.room for host in hosts)
    if workers > room:
        raise JobError(
            f"--workers {workers}: the hosts have room for {room}", remedy="More slots=n, more hosts, or fewer workers"
        )
    placed = []
    for host in hosts:
        placed.append(min(host.room, workers))
        workers -= placed[-1]
    return placed


def _hands(host: Host, workers: int) -> tuple[tuple[str, ...], ...]:
    if host.gpus is None or workers == 0:
        return ()
    # A host that is given fewer workers than it has room for keeps its division of the GPUs.
    return tuple(map(tuple, deal(host.gpus, max(workers, host.room))))[:workers]
