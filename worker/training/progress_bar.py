"""The line at the foot of a terminal that says how far a training is; what is printed meanwhile appears above it."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ...common import compiling
from ...common.clock import clock
from ..store.session import Session
from .callback import ProgressBar
from .fit_callbacks import FitCallbacks
from .pace import Pace

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

PERIOD = 0.1  # seconds between two drawings
BAR = 30  # characters of the bar where there is room, and where there is little:
SHORT_BAR = 8
DISPENSABLE = ("samples/s", "bar", "metrics", "step", "left", "loss")  # what a narrow terminal goes without, in order
STYLES = {"epoch": "bold", "loss": "cyan", "metrics": "cyan", "samples/s": "dim", "says": "yellow"}

Values = Callable[[], Mapping[str, float]]  # of metrics, by name

_on_terminal: list[TrainingBar] = []  # the one that has it, if there is one


def is_wanted(callbacks: FitCallbacks, session: Session) -> bool:
    """Whether the user of this fit looks at a terminal, and at no bar yet; `verbose="r"` is for lines alone.

    A job's workers write lines: Open MPI gives rank 0 a terminal whatever its own output is.
    """
    return (
        callbacks.verbose is True
        and session.num_workers == 1
        and not _on_terminal
        and sys.stdout is not None
        and sys.stdout.isatty()
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
        and not any(isinstance(callback, ProgressBar) for callback in (*callbacks.batch_end, *callbacks.epoch_end))
    )


class NoBar:
    """What a training tells that nobody looks at."""

    def begin_epoch(self) -> None:
        """An epoch begins."""

    def step(self, metrics: Values) -> None:
        """A step has ended. `metrics` is seldom asked: on GPUs its value is waited for."""

    def evaluates(self, metrics: Values) -> None:
        """The epoch's steps are done; it is being evaluated."""


class TrainingBar(NoBar):
    """Shows `pace` from when it is entered, as a context, until it is left."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._metrics: Mapping[str, float] = {}
        self._says = ""  # what it does besides training
        self._drawn_at = 0.0
        self._live: Any = None
        self._stack = ExitStack()

    def __enter__(self) -> TrainingBar:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=sys.stdout, force_jupyter=False)
        # Standard error may be a file, which is to get what is its own. No auto_refresh: a refreshing thread would
        # compete with those that compute.
        redirects = sys.stderr is not None and sys.stderr.isatty()
        self._live = Live(self, console=console, auto_refresh=False, transient=True, redirect_stderr=redirects)
        self._stack.enter_context(self._live)
        console.show_cursor(True)  # a training may be killed, and would leave a terminal without one
        _on_terminal.append(self)
        self._stack.callback(_on_terminal.remove, self)
        self._stack.enter_context(compiling.told_to(self._compiles))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def begin_epoch(self) -> None:
        """Draw an empty bar."""
        self._draw()

    def step(self, metrics: Values) -> None:
        """Draw the line again, unless that has just been done."""
        if time.monotonic() - self._drawn_at >= PERIOD or self._pace.count == self._pace.steps:
            self._metrics = metrics()
            self._draw()

    def evaluates(self, metrics: Values) -> None:
        """Draw a full bar that says so."""
        self._metrics = metrics()
        self._draw("validating")

    def _compiles(self, count: int) -> None:
        self._draw(compiling.text(count) if count else "")

    def _draw(self, says: str = "") -> None:
        self._says, self._drawn_at = says, time.monotonic()
        self._live.refresh()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        texts = self._texts()
        for name in DISPENSABLE:
            if sum(len(text) + 1 for text in texts.values()) <= options.max_width:
                break
            texts.pop(name, None)
        room = options.max_width - sum(len(text) + 1 for name, text in texts.items() if name != "bar")
        line = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
        for _ in texts:
            line.add_column(no_wrap=True, overflow="crop")
        bar = ProgressBar(
            self._pace.steps,
            self._pace.count,
            width=min(BAR, max(room, SHORT_BAR)),
            pulse=self._pace.steps is None,
            animation_time=0,
        )
        line.add_row(*(bar if name == "bar" else Text(text, STYLES.get(name, "")) for name, text in texts.items()))
        yield line

    def _texts(self) -> dict[str, str]:
        """The parts of the line by name, in their order."""
        pace = self._pace
        texts = {
            "epoch": f"epoch {pace.epoch + 1}/{pace.epochs.stop}",
            "bar": " " * SHORT_BAR,
            "step": f"step {pace.count}/{pace.steps or '?'}",
        }
        if self._says:
            return {**texts, "says": self._says}
        shown = {name: f"{name}={value:.4g}" for name, value in self._metrics.items() if not math.isnan(value)}
        loss = shown.pop("loss", "")
        if loss and not shown.keys() & {"cross-entropy", "mse"}:  # which say the same
            texts["loss"] = loss
        if shown:
            texts["metrics"] = " ".join(shown.values())
        if pace.speed is not None:
            texts["samples/s"] = f"{pace.speed:,.0f} samples/s"
        if pace.left is not None:
            texts["left"] = f"{clock(pace.left)} left"
        return texts
