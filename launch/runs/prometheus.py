"""A run as metrics for Prometheus; the package prometheus-client writes their text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..display import Row
from .story import Story

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


def exposition(story: Story) -> bytes:
    """The text. Values that nobody has said yet are left out."""
    registry = CollectorRegistry()
    registry.register(_Run(story))
    return generate_latest(registry)


class _Run(Collector):
    def __init__(self, story: Story) -> None:
        self._story = story

    def collect(self) -> Iterator[GaugeMetricFamily]:
        view, state = self._story.view(), self._story.run.state
        yield _gauge("state", "1 for the state of the run.", ["state"], [([name], name == state) for name in STATES])
        yield _gauge("seconds", "Age of the run.", [], [([], view.seconds)])
        for name, about, value in GAUGES:
            yield _gauge(name, about, ["process"], [([row.name], value(row)) for row in view.rows])
        said = [
            ([name, metric], value)
            for name, member in self._story.members.items()
            for metric, value in member.progress.get("metrics", {}).items()
        ]
        yield _gauge("metric", "Training metrics of the epoch so far.", ["process", "metric"], said)


def _gauge(
    name: str, about: str, labels: list[str], samples: Iterable[tuple[list[str], float | None]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"pushgrad_{name}", about, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric(values, float(value))
    return family
