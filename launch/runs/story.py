"""What has happened in a run so far, put together again from its files."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from ..display import Row, View
from ..process_plan import ProcessSpec
from ..state import Member
from .curves import Plots
from .files import EVENTS, METRICS, PLAN, Growing, Record, read_json
from .positions import Positions
from .rates import Exchange
from .stored import Run

RECENT = 1000  # events that are kept


class Story:
    """A run's processes as they are known after the last `update`."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.members: dict[str, Member] = {}
        self.events: deque[Record] = deque(maxlen=RECENT)
        self.waiting, self._waiting_since = "", 0.0
        self.restart: Record = {}  # the last, if there was one
        self._positions = Positions()
        self.plots = Plots()
        self._exchange = Exchange()
        self._events, self._metrics = Growing(run.folder / EVENTS), Growing(run.folder / METRICS)
        for process in read_json(run.folder / PLAN).get("processes", []):
            spec = ProcessSpec(process["role"], process["rank"], (), {}, process["host"])
            self.members[spec.name] = Member(spec)

    def update(self) -> None:
        """Read what has been written since."""
        self.run = self.run.fresh()
        for event in self._events.objects():
            self.events.append(event)
            self._happened(event, self.members.get(str(event.get("process"))))
        for row in self._metrics.objects():
            if (member := self.members.get(str(row.get("process")))) is not None:
                self._measured(row, member)

    def _happened(self, event: Record, member: Member | None) -> None:
        kind = event["event"]
        if kind == "waiting":
            self.waiting, self._waiting_since = str(event.get("text")), event["time"]
        if kind == "restart":
            self.restart = event
            self.members = {name: Member(old.spec) for name, old in self.members.items()}
        elif member is None:
            return
        elif kind == "started":
            member.pid, member.spec = event["pid"], replace(member.spec, host=event["host"])
        elif kind in ("listening", "arrived", "joined"):
            member.joined, member.left, self.waiting = True, False, ""
        elif kind == "left":
            member.left = True
        elif kind == "exited":
            member.code = event["code"]
        elif kind == "lost":
            member.lost = True

    def _measured(self, row: Record, member: Member) -> None:
        name, time = member.spec.name, row["time"]
        seconds = time - self.run.began
        if "received" in row:
            self._exchange.note(name, time, row["received"], row["sent"])
            if (rate := self._exchange.rates(overall=False).get(name)) is not None:
                self.plots.add("bytes/s received by servers", name, seconds, rate[0])
        if "step" in row:
            if time > self._waiting_since:
                self.waiting = ""
            self._positions.note(name, time, row["fit"], row["epoch"], row["step"])
            self._plot_worker(row, name, seconds)
            said = ", ".join(f"{key}={value:g}" for key, value in row["metrics"].items() if value is not None)
            member.progress = {**row, "metric": said}

    def _plot_worker(self, row: Record, name: str, seconds: float) -> None:
        for metric, value in row["metrics"].items():
            if value is not None:
                self.plots.add(metric, name, seconds, value)
        self.plots.add("samples/s", name, seconds, row["samples_per_second"])
        lags = self._positions.lags()
        if len(lags) > 1:
            self.plots.add("lag in steps", name, seconds, lags[name])

    def view(self) -> View:
        """The processes as they are shown while the job runs. What has not ended in a run that has is lost."""
        under_way = self.run.state in ("running", "unknown")
        lags = self._positions.lags() if under_way else {}
        rates = self._exchange.rates(overall=not under_way)
        rows = []
        for name, member in self.members.items():
            member.lost = member.lost or (member.running and not under_way)
            received, sent = rates.get(name, (None, None))
            lag = lags.get(name) if member.running and len(lags) > 1 else None
            rows.append(replace(Row.of(member), lag=lag, received=received, sent=sent))
        return View(rows, self.run.seconds or 0.0, self.waiting if under_way else "")
