"""How long a step's exchange takes, from a few numbers of the cluster. docs/scale.md derives and checks it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..common.errors import ParameterError

PAYLOAD = 1448 / 1514  # what TCP over Ethernet leaves of a link: bytes of data in a packet of so many
RANGE_BYTES = 4 << 20  # what a server answers at once
SERVER_RATE = 1e9  # bytes of gradients per second that one server process takes in, applies and answers; measured
ENOUGH = 1.1  # times the least that any number of servers reaches

_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}


@dataclass(frozen=True)
class Exchange:
    """`workers` and `servers`, each with a full-duplex link of `link` bytes/s, exchange `nbytes` of parameters.

    `latency` is the time from host to host in seconds, `server_rate` the bytes of gradients per second that a server
    process can work off.
    """

    workers: int
    servers: int
    nbytes: float
    link: float
    latency: float = 0.0
    server_rate: float = SERVER_RATE

    @property
    def costs(self) -> dict[str, float]:
        """Seconds that each resource needs for a step. The slowest one sets the pace."""
        to_each_server = self.workers * self.nbytes / self.servers
        return {
            "the workers' links": self.nbytes / (self.link * PAYLOAD),
            "the servers' links": to_each_server / (self.link * PAYLOAD),
            "the servers' processors": to_each_server / self.server_rate,
        }

    @property
    def bottleneck(self) -> str:
        """The resource that sets the pace."""
        return max(self.costs, key=lambda name: self.costs[name])

    @property
    def best(self) -> float:
        """Seconds of a step if the links alone counted, pushes and pulls going past each other all the time."""
        return max(self.costs["the workers' links"], self.costs["the servers' links"])

    @property
    def seconds(self) -> float:
        """Seconds of a step: the pace, the first range on its way while nothing can come back, and a round trip."""
        first = min(1.0, RANGE_BYTES * self.servers / self.nbytes)
        return max(self.costs.values()) * (1 + first) + 2 * self.latency

    def enough_servers(self, limit: float = 0.0) -> Exchange:
        """The fewest servers with which a step takes `limit` seconds, or nearly the least that is possible."""
        choices = [replace(self, servers=servers) for servers in range(1, 4 * self.workers + 1)]
        least = min(choice.seconds for choice in choices)
        return next(choice for choice in choices if choice.seconds <= max(limit, ENOUGH * least))


def parse_rate(text: str) -> float:
    """Bytes per second from bits per second: "25Gb", "1gbit", "100 Mbit/s"; ParameterError if it is no rate."""
    return _number(text, r"(?:b|[Bb]it)(?:/s|ps)?", "link", "bits per second such as 25Gb or 100Mbit/s") / 8


def parse_count(text: str) -> float:
    """A number such as "100M", "1.5G" or "25600000"; ParameterError if it is none."""
    return _number(text, "", "params", "a number such as 100M")


def _number(text: str, unit: str, what: str, expected: str) -> float:
    found = re.fullmatch(rf"([0-9]+(?:\.[0-9]+)?)\s*([kKmMgGtT]?){unit}", text.strip())
    number = float(found[1]) * _UNITS[found[2].lower()] if found else 0.0
    if not number > 0:
        raise ParameterError(what, expected=expected, got=repr(text))
    return number
