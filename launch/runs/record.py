"""What `launch` writes of a run while it runs: what it is, what happens, and how far its workers are."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping

from ..config import is_secret
from ..job import Job
from ..process_log import LogFile
from ..process_plan import PREFIXES, Plan, ProcessSpec
from ..restarts import Restarts
from ..state import Cause
from ..status_reader import Event
from .files import CONFIG, EVENTS, METRICS, PLAN, RUN, line, write_json
from .identity import Identity

SAID = re.compile(r"([\w.@-]+)=(-?\d[\w.+-]*)")  # "accuracy=0.93" in the text of a worker's progress


class Recorder:
    """Writes the files of a run. A disk that is full costs what has no room, and never the job: see `trouble`."""

    def __init__(self, job: Job, plan: Plan, launcher: Identity, stoppable: bool) -> None:
        """Make the folder and write what is known beforehand. Raises OSError if that is not possible.

        `stoppable` says that `launcher` ends the job in order on SIGTERM.
        """
        folder = job.run_dir
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        (folder / CONFIG).write_bytes(job.config.encode("utf-8", "replace"))
        write_json(folder / PLAN, {"processes": [_process(spec) for spec in plan.specs]})
        write_json(folder / RUN, _about(job, launcher, stoppable))
        self._events, self._metrics = LogFile(folder / EVENTS), LogFile(folder / METRICS)
        self._began = time.monotonic()
        self._least = max(1.0, job.workers / 10)
        self._next: dict[str, float] = {}  # when a process's next progress is to be written
        self._held: dict[str, dict[str, object]] = {}  # the newest that was not

    @property
    def trouble(self) -> str:
        """What is wrong with a file, each time once; "" in most cases."""
        for file in (self._events, self._metrics):
            if file.trouble:
                trouble, file.trouble = file.trouble, ""
                return trouble
        return ""

    def note(self, event: str, **fields: object) -> None:
        """Write down that something has happened."""
        self._events.write(line({"time": round(time.time(), 3), "event": event, **fields}))

    def said(self, event: Event) -> None:
        """Write down what the scheduler has said."""
        who = _name(event)
        fields = {name: value for name, value in event.items() if name not in ("event", "role", "rank")}
        if event["event"] == "progress":
            values = {name: _number(text) for name, text in SAID.findall(str(fields.pop("metric", "")))}
            self._measure(who, {**fields, "metrics": values})
        elif event["event"] == "traffic":
            self._measure(who, fields)
        else:
            self.note(event["event"], **({"process": who} if who else {}), **fields)

    def _measure(self, who: str, fields: dict[str, object]) -> None:
        """What changes all the time: the first, the last, and in between not more than anybody will look at.

        Once a second; less often in jobs of many workers, and in old ones every half minute.
        """
        now = time.monotonic()
        row = {"time": round(time.time(), 3), "process": who, **fields}
        if now < self._next.get(who, 0.0):
            self._held[who] = row
            return
        self._held.pop(who, None)
        self._next[who] = now + max(self._least, min(30.0, (now - self._began) / 500))
        self._metrics.write(line(row))

    def restart(self, cause: Cause, restarts: Restarts) -> None:
        """Write down that a new generation begins, and why."""
        blamed = {"process": cause.member.spec.name} if cause.member else {}
        left = restarts.left(time.monotonic())
        about = {"generation": restarts.generation, "left": left, **blamed, "text": cause.text, "reason": cause.reason}
        self.note("restart", **about, **restarts.place)

    def end(self, cause: Cause | None, seconds: float) -> None:
        """Write down how the job has ended."""
        if cause is None:
            self._end("done", 0, seconds)
            return
        blamed = {"process": cause.member.spec.name} if cause.member else {}
        told = {"reason": cause.reason, "remedy": cause.remedy}
        # A signal to `launch` blames no process, and its code is above 128.
        state = "stopped" if cause.member is None and cause.code > 128 else "failed"
        self._end(state, cause.code, seconds, text=cause.text, **blamed, **{k: v for k, v in told.items() if v})

    def broke(self, error: BaseException) -> None:
        """Write down that `launch` itself has failed; of two such errors the first counts."""
        self._end("failed", 1, time.monotonic() - self._began, text=f"launch failed: {type(error).__name__}: {error}")

    def _end(self, state: str, code: int, seconds: float, **fields: object) -> None:
        for row in self._held.values():
            self._metrics.write(line(row))
        self.note("ended", state=state, code=code, seconds=round(seconds, 3), **fields)
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._events.close()
        self._metrics.close()


def _name(event: Event) -> str:
    """The process that an event of the scheduler is about; "" if it names none."""
    if "rank" not in event:
        return PREFIXES["scheduler"] if event["event"] in ("listening", "done") else ""
    role = event.get("role", "worker")
    return f"{PREFIXES.get(role, role)}{event['rank'] or 0}"


def _number(text: str) -> float | None:
    """A number as JSON knows them; None if it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _process(spec: ProcessSpec) -> dict[str, object]:
    about = {"name": spec.name, "role": spec.role, "rank": spec.rank, "host": spec.host, "argv": spec.argv}
    return {**about, "env": _shown(spec.env)}


def _shown(env: Mapping[str, str]) -> dict[str, str | None]:
    """Variables, with None in place of what is likely a secret."""
    return {name: None if is_secret(name) else value for name, value in env.items()}


def _about(job: Job, launcher: Identity, stoppable: bool) -> dict[str, object]:
    return {
        "format": 1,
        "id": job.job_id,
        "began": round(time.time(), 3),
        "command": job.command,
        "folder": str(job.workdir),
        "workers": job.workers,
        "servers": job.servers,
        "stoppable": stoppable,
        "launcher": launcher.as_dict(),
    }
