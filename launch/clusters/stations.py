"""All agents of a job, from reaching their hosts to taking leave of them."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Sequence
from typing import Any

from ... import __version__
from ...common.address import is_loopback
from ..job import Job
from ..keeper import Keeper
from ..process_plan import Plan
from .command import Command
from .dialing import VARIABLE, Switchboard
from .host_agent import BEATS
from .link import PIECE, Message
from .station import Station

UNHEARD = "nothing has been heard of it for {:.0f} s: it is down, or the way there is cut"
LATE = 2.0  # seconds after the starter's end in which its agents' last words may still come


class Stations:
    """`all` of them, in the order of the plan's sites. They are `open` when every agent can start processes.

    `keys` are the files with the job's keys by name.
    """

    def __init__(
        self,
        job: Job,
        plan: Plan,
        lease: float,
        keys: dict[str, bytes],
        keeper: Keeper,
        selector: selectors.BaseSelector,
    ) -> None:
        self._job, self._plan, self._lease, self._keys = job, plan, lease, keys
        self._switchboard = Switchboard(len(plan.sites)) if plan.starter else None
        lines: Sequence[Any] = self._switchboard.lines if self._switchboard else [None] * len(plan.sites)
        self.all = [Station(site, keeper, selector, line) for site, line in zip(plan.sites, lines, strict=True)]
        self.open = False
        self._told = False
        self._next_beat = 0.0
        self._starter: Command | None = None
        self._starter_ended = 0.0
        self.failure = ""  # why none of them can be used
        if self._switchboard is not None:
            self._start_agents(keeper, selector, self._switchboard.invitation.text())

    def _start_agents(self, keeper: Keeper, selector: selectors.BaseSelector, invitation: str) -> None:
        environ = {name: value for name, value in os.environ.items() if name not in self._plan.withheld}
        try:
            self._starter = Command(self._plan.starter, keeper, selector, environ={**environ, VARIABLE: invitation})
        except OSError as error:
            self.failure = f"{self._plan.starter[0]}: {error.strerror}"

    def tell(self, do: str, **fields: Any) -> None:
        """Say something to all agents."""
        for station in self.all:
            station.send(do, **fields)

    def pump(self) -> list[tuple[Station, Message]]:
        """What the agents have said, each with whom it comes from."""
        said = [(station, message) for station in self.all for message in station.pump()]
        for station, message in said:
            if message["do"] == "hello":
                self._check(station)
        if self._starter is not None:
            self._watch_starter(self._starter)
        if not self.open and not self.failure:
            self._open()
        return said

    def _check(self, station: Station) -> None:
        theirs, ours = station.hello or {}, __version__
        size = theirs["size"]
        if theirs["version"] != ours:
            station.fail(f"it has pushgrad {theirs['version']}, and this host {ours}: all hosts need the same")
        elif size is not None and size != len(self.all):
            station.fail(
                f"its agent is one of {size} and not of {len(self.all)}: {self._plan.starter[0]} has started each by "
                "itself, or is another MPI's than the one whose variables are set"
            )

    def _watch_starter(self, starter: Command) -> None:
        starter.listen()
        code = starter.ended()
        if code is None or all(station.over or station.failure for station in self.all):
            return
        self._starter_ended = self._starter_ended or time.monotonic()
        if time.monotonic() > self._starter_ended + LATE:
            words = "; ".join([*starter.last_words(), f"{starter.program} ended with exit code {code}"])
            for station in self.all:
                if not station.over:
                    station.fail(words)

    def _open(self) -> None:
        """Tell the agents of the job when all are there, and be open when all are ready for it."""
        if all(station.ready for station in self.all):
            self.open = True
            return
        bad = {station.name: station.failure for station in self.all if station.failure}
        # Of hosts that are reached one by one all are heard before any is blamed.
        if all(station.hello or station.failure for station in self.all) or (bad and self._plan.starter):
            if bad:
                self.failure = self._refusal(bad)
            elif not self._told:
                self._told = True
                self._tell_job()

    def _refusal(self, bad: dict[str, str]) -> str:
        if len(set(bad.values())) == 1 and len(bad) == len(self.all):
            return next(iter(bad.values())) if self._plan.starter else f"{', '.join(bad)}: {next(iter(bad.values()))}"
        of = f"{len(bad)} of {len(self.all)} hosts cannot be used: "
        return of + "; ".join(f"{name}: {why}" for name, why in bad.items())

    def places(self) -> dict[str, list[Station]]:
        """Those that share a host and its folder for temporary files."""
        found: dict[str, list[Station]] = {}
        for station in self.all:
            found.setdefault(str((station.hello or {}).get("where")), []).append(station)
        return found

    def _tell_job(self) -> None:
        places, generation, function = self.places(), self._job.generation, self._job.function
        pieces = [function[begin : begin + PIECE] for begin in range(0, len(function), PIECE)]
        for number, those in enumerate(places.values()):
            workers = sum(spec.role == "worker" and self.all[spec.site] in those for spec in self._plan.specs)
            for station in those:
                if is_loopback(station.address) and len(places) > 1:
                    station.fail(f"it is {station.address}, where the others cannot reach it: name it as they do")
                for piece in pieces if station is those[0] else ():
                    station.send("function", data=piece)
                station.send(
                    "job",
                    marks=list(self._job.marks),
                    folder=f"{self._job.job_id}-{number}" + (f"-{generation}" if generation > 1 else ""),
                    lease=self._lease,
                    workdir=str(self._job.workdir),
                    keys=self._keys,
                    workers=workers,
                    first=station is those[0],
                )

    def tend(self) -> None:
        """Say to all that we are there, and give up those of which nothing has been heard for a lease."""
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + self._lease / BEATS
            self.tell("beat")
        for station in self.all:
            # An agent learns the lease with the job, which it is told when the last host has come.
            limit = self._lease if station.ready else self._job.start_timeout
            if station.silence(now) > limit:
                station.fail(UNHEARD.format(limit))

    def close(self) -> list[str]:
        """Take leave; returns words for whatever is left behind."""
        left = [what for station in self.all for what in station.left]
        left += [
            f"what runs on {station.host or station.name} ends by itself within {self._lease:g} s; it"
            for station in self.all
            if station.ready and not station.over
        ]
        for station in self.all:
            station.close(kill=not station.over)
        if self._starter is not None:
            self._starter.close(kill=not all(station.over for station in self.all))
        if self._switchboard is not None:
            self._switchboard.close()
        return left
