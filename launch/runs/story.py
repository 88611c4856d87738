"""What has happened in a run so far, put together again from its files."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from ..display import Row, View
from ..process_plan import ProcessSpec
from ..state import Member
from .curves import VALIDATION, Plots
from .files import EVENTS, METRICS, PLAN, Growing, Record, read_json
from .positions import Positions
from .rates import Exchange
from .sense import is_event, is_position, is_process, is_traffic
from .stored import Run

OF_VALIDATION = "Validation-"  # begins the name of a metric of evaluation data
SPEED, LAG, LOAD = "samples/s", "lag in steps", "bytes/s received by servers"  # plots, after those of the metrics
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
        self.plots = Plots((SPEED, LAG, LOAD))
        self._evaluated: dict[str, float] = {}
        self._exchange = Exchange()
        self._events, self._metrics = Growing(run.folder / EVENTS), Growing(run.folder / METRICS)
        for process in filter(is_process, _listed(read_json(run.folder / PLAN).get("processes"))):
            spec = ProcessSpec(process["role"], process["rank"], (), {}, process["host"])
            self.members[spec.name] = Member(spec)

    def update(self) -> None:
        """Read what has been written since."""
        self.run = self.run.fresh()
        for event in filter(is_event, self._events.objects()):
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
            member.pid, member.spec = event["pid"], replace(member.spec, host=str(event.get("host")))
        elif kind in ("listening", "arrived", "joined"):
            member.joined, member.left, self.waiting = True, False, ""
        elif kind == "left":
            member.left = True
        elif kind == "exited":
            member.code = event["code"]
        elif kind == "lost":
            member.lost = True

    def _measured(self, row: Record, member: Member) -> None:
        name, time = member.spec.name, row.get("time", 0.0)
        if is_traffic(row):
            self._exchange.note(name, time, row["received"], row["sent"])
            if (rate := self._exchange.rates(overall=False).get(name)) is not None:
                self.plots.add(LOAD, name, time - self.run.began, rate[0])
        if is_position(row):
            if time > self._waiting_since:
                self.waiting = ""
            self._positions.note(name, time, row["fit"], row["epoch"], row["step"])
            self._plot_worker(row, name, time - self.run.began)
            said = ", ".join(f"{key}={value:g}" for key, value in row["metrics"].items() if value is not None)
            member.progress = {**row, "metric": said}

    def _plot_worker(self, row: Record, name: str, seconds: float) -> None:
        for metric, value in row["metrics"].items():
            # Of the last evaluation all workers say the same, again and again.
            evaluated = metric.removeprefix(OF_VALIDATION)
            if value is not None and evaluated == metric:
                self.plots.add(metric, name, seconds, value)
            elif value is not None and self._evaluated.get(metric) != value:
                self._evaluated[metric] = value
                self.plots.add(evaluated, VALIDATION, seconds, value)
        self.plots.add(SPEED, name, seconds, row["samples_per_second"])
        lags = self._positions.lags()
        if len(lags) > 1:
            self.plots.add(LAG, name, seconds, lags[name])

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


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
