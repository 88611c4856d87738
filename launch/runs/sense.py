"""Whether what is read of a run makes sense: its files may be cut short, or be another program's."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

from .files import Record

LATEST = 1e11  # seconds since 1970 that a calendar can say


def is_run(about: Record) -> bool:
    """What run.json says of a run."""
    counts = [about.get(name) for name in ("workers", "servers")]
    command = about.get("command")
    began: Any = about.get("began")
    return _number(began) and abs(began) < LATEST and all(map(_whole, counts)) and isinstance(command, list)


def is_process(process: object) -> TypeGuard[Record]:
    """A process in plan.json."""
    if not isinstance(process, dict):
        return False
    known = process.get("role") in ("scheduler", "server", "worker")
    return known and _whole(process.get("rank")) and isinstance(process.get("host"), str)


def is_event(event: Record) -> bool:
    """A line of events.jsonl, of any kind, with the fields that are looked at."""
    fields = (("started", "pid"), ("exited", "code"), ("restart", "generation"), ("restart", "left"))
    there = all(event.get("event") != kind or _whole(event.get(name)) for kind, name in fields)
    return isinstance(event.get("event"), str) and _number(event.get("time")) and there


def is_end(event: Record) -> bool:
    """The last event of a run."""
    whole = isinstance(event.get("state"), str) and _number(event.get("seconds")) and _whole(event.get("code"))
    return event.get("event") == "ended" and whole


def is_position(row: Record) -> bool:
    """A worker's line of metrics.jsonl."""
    metrics = row.get("metrics")
    values = metrics.values() if isinstance(metrics, dict) else [""]
    numbers = _number(row.get("time")) and _number(row.get("samples_per_second"))
    return numbers and all(_whole(row.get(name)) for name in ("fit", "epoch", "step")) and all(map(_maybe, values))


def is_traffic(row: Record) -> bool:
    """A server's line of metrics.jsonl."""
    lists = [row.get(name) for name in ("received", "sent")]
    return _number(row.get("time")) and all(isinstance(each, list) and all(map(_whole, each)) for each in lists)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _maybe(value: Any) -> bool:
    return value is None or _number(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
