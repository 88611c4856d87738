"""How long a step's exchange takes, from a few numbers of the cluster.

docs/scale.md derives the formula and compares it with a measurement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..common.errors import ParameterError

PAYLOAD = 1448 / 1514  # of a link's bytes, those that TCP over Ethernet leaves for data: 1448 of a packet of 1514
RANGE_BYTES = 4 << 20  # the unit in which servers answer: the longest range, of float32
SERVER_RATE = 1e9  # bytes of gradients per second that one server process handles, as measured for docs/scale.md
ENOUGH = 1.1  # servers are enough if a step takes at most this many times the least that any number of them reaches

_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}


@dataclass(frozen=True)
class ExchangeModel:
    """One step's exchange: `workers` workers push `nbytes` bytes of gradients to `servers` servers and pull as many.

    Each process has a host with a full-duplex link of `link` bytes per second. `latency` is the time from host to host
    in seconds, `server_rate` the bytes of gradients per second that a server takes in, sums, applies and answers.
    """

    workers: int
    servers: int
    nbytes: float
    link: float
    latency: float = 0.0
    server_rate: float = SERVER_RATE

    @property
    def costs(self) -> dict[str, float]:
        """The seconds that each resource needs for a step, by its name. The slowest one sets the pace."""
        to_each_server = self.workers * self.nbytes / self.servers
        return {
            "the workers' links": self.nbytes / (self.link * PAYLOAD),
            "the servers' links": to_each_server / (self.link * PAYLOAD),
            "the servers' processors": to_each_server / self.server_rate,
        }

    @property
    def bottleneck(self) -> str:
        """The name of the resource that sets the pace."""
        return max(self.costs, key=lambda name: self.costs[name])

    @property
    def best(self) -> float:
        """The seconds of a step if only the links counted, and were busy in both directions all the time."""
        return max(self.costs["the workers' links"], self.costs["the servers' links"])

    @property
    def seconds(self) -> float:
        """The seconds of a step: those of the slowest resource, more for the first range, and a round trip.

        While a server's first range is on its way nothing can come back yet, so that range counts twice; if a server
        holds no more than that, all of it does.
        """
        first = min(1.0, RANGE_BYTES * self.servers / self.nbytes)
        return max(self.costs.values()) * (1 + first) + 2 * self.latency

    def enough_servers(self, limit: float = 0.0) -> ExchangeModel:
        """The exchange with the fewest servers with which a step takes at most `limit` seconds.

        If that is impossible, or without a limit: with which it takes at most ENOUGH times the least possible.
        """
        choices = [replace(self, servers=servers) for servers in range(1, 4 * self.workers + 1)]
        least = min(choice.seconds for choice in choices)
        return next(choice for choice in choices if choice.seconds <= max(limit, ENOUGH * least))


def parse_rate(text: str) -> float:
    """Bytes per second from bits per second: "25Gb", "1gbit", "100 Mbit/s". Raises ParameterError if it is no rate."""
    return _number(text, r"(?:b|[Bb]it)(?:/s|ps)?", "link", "bits per second such as 25Gb or 100Mbit/s") / 8


def parse_count(text: str) -> float:
    """The number in a text such as "100M", "1.5G" or "25600000". Raises ParameterError if it is none."""
    return _number(text, "", "params", "a number such as 100M")


def _number(text: str, unit: str, what: str, expected: str) -> float:
    found = re.fullmatch(rf"([0-9]+(?:\.[0-9]+)?)\s*([kKmMgGtT]?){unit}", text.strip())
    number = float(found[1]) * _UNITS[found[2].lower()] if found else 0.0
    if not number > 0:
        raise ParameterError(what, expected=expected, got=repr(text))
    return number
