"""Bytes per second of each process, from what the servers say that they have exchanged with each worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Rates = dict[str, tuple[float, float]]  # name of a process -> bytes per second that it receives and sends


@dataclass(frozen=True)
class _Totals:
    """Since the job began, by rank of the worker."""

    time: float
    received: Sequence[int]
    sent: Sequence[int]


class Exchange:
    """What servers have said."""

    def __init__(self) -> None:
        self._said: dict[str, list[_Totals]] = {}  # by server: the first, the last but one and the last

    def note(self, server: str, time: float, received: Sequence[int], sent: Sequence[int]) -> None:
        """A server's totals at a time, in bytes by rank of the worker."""
        said = self._said.setdefault(server, [])
        said.append(_Totals(time, received, sent))
        del said[1:-2]

    def rates(self, overall: bool) -> Rates:
        """Now, that is between the two last reports; or with `overall` the mean from the first to the last."""
        found: Rates = {}
        for server, said in self._said.items():
            before, last = said[0] if overall else said[max(0, len(said) - 2)], said[-1]
            if (passed := last.time - before.time) <= 0:
                continue
            for rank, moved in enumerate(_moved(before, last)):
                rate = (moved[0] / passed, moved[1] / passed)
                _add(found, server, rate)
                _add(found, f"w{rank}", (rate[1], rate[0]))  # what the server receives, the worker sends
        return found


def _moved(before: _Totals, last: _Totals) -> list[tuple[int, int]]:
    rows = zip(before.received, last.received, before.sent, last.sent, strict=False)
    return [(last_in - first_in, last_out - first_out) for first_in, last_in, first_out, last_out in rows]


def _add(found: Rates, name: str, rate: tuple[float, float]) -> None:
    received, sent = found.get(name, (0.0, 0.0))
    found[name] = (received + rate[0], sent + rate[1])
