"""A run in the text format of Prometheus (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..display import Row
from .story import Story

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATES = ("running", "done", "failed", "stopped", "lost", "unknown")

# Gauges of each process: name, help, and the value in its row.
GAUGES: tuple[tuple[str, str, Callable[[Row], float | None]], ...] = (
    ("epoch", "Epoch of the worker, from 1.", lambda row: row.epoch),
    ("step", "Step of the worker in its epoch, from 1.", lambda row: row.step),
    ("samples_per_second", "Samples of the whole job per second, as the worker measures it.", lambda row: row.speed),
    ("lag_steps", "Steps that the worker is behind the first one.", lambda row: row.lag),
    ("received_bytes_per_second", "Gradients and values that the process receives.", lambda row: row.received),
    ("sent_bytes_per_second", "Gradients and values that the process sends.", lambda row: row.sent),
)

Samples = Iterable[tuple[dict[str, str], float | None]]


def exposition(story: Story) -> str:
    """The text. Values that nobody has said yet are left out."""
    view, state = story.view(), story.run.state
    lines = _family("state", "1 for the state of the run.", [({"state": name}, name == state) for name in STATES])
    lines += _family("seconds", "Age of the run.", [({}, view.seconds)])
    for name, about, value in GAUGES:
        lines += _family(name, about, [({"process": row.name}, value(row)) for row in view.rows])
    said = [
        ({"process": name, "metric": metric}, value)
        for name, member in story.members.items()
        for metric, value in member.progress.get("metrics", {}).items()
    ]
    return "".join(line + "\n" for line in lines + _family("metric", "Training metrics of the epoch so far.", said))


def _family(name: str, about: str, samples: Samples) -> list[str]:
    lines = [f"pushgrad_{name}{_labels(labels)} {float(value)!r}" for labels, value in samples if value is not None]
    return [f"# HELP pushgrad_{name} {about}", f"# TYPE pushgrad_{name} gauge", *lines] if lines else []


def _labels(labels: dict[str, str]) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
