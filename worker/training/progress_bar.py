"""The line that says how far a training is. At the foot of a terminal, what is printed meanwhile appears above it."""

from __future__ import annotations

import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ...common import compiling
from ...common.clock import clock
from .pace import Pace

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

BAR = 30  # characters of the bar where there is room, and where there is little:
SHORT_BAR = 8
DISPENSABLE = ("samples/s", "bar", "metrics", "step", "left", "loss")  # what a narrow terminal goes without, in order
STYLES = {"epoch": "bold", "loss": "cyan", "metrics": "cyan", "samples/s": "dim", "says": "yellow"}

Values = Callable[[], Mapping[str, float]]  # of metrics, by name

shown: list[TrainingBar] = []  # at most one


class NoBar:
    """What a training tells that nobody looks at."""

    def begin_epoch(self) -> None:
        """An epoch begins."""

    def step(self, metrics: Values) -> None:
        """A step has ended. `metrics` is seldom asked: on GPUs its value is waited for."""

    def evaluates(self, metrics: Values) -> None:
        """The epoch's steps are done; it is being evaluated."""


class TrainingBar(NoBar, ABC):
    """Shows `pace` from when it is entered, as a context, until it is left."""

    PERIOD = 0.1  # seconds between two drawings

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._metrics: Mapping[str, float] = {}
        self._says = ""  # what it does besides training
        self._drawn_at = 0.0
        self._stack = ExitStack()

    def __enter__(self) -> TrainingBar:
        shown.append(self)
        self._stack.callback(shown.remove, self)
        self._stack.callback(self.close)
        self._stack.enter_context(compiling.told_to(self._compiles))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @abstractmethod
    def refresh(self) -> None:
        """Draw the line as it is now."""

    @abstractmethod
    def close(self) -> None:
        """It is not drawn any more."""

    def begin_epoch(self) -> None:
        """Draw an empty bar."""
        self._draw()

    def step(self, metrics: Values) -> None:
        """Draw the line again, unless that has just been done."""
        if time.monotonic() - self._drawn_at >= self.PERIOD or self.pace.count == self.pace.steps:
            self._metrics = metrics()
            self._draw()

    def evaluates(self, metrics: Values) -> None:
        """Draw a full bar that says so."""
        self._metrics = metrics()
        self._draw("validating")

    def texts(self) -> dict[str, str]:
        """The parts of the line by name, in their order; the bar is blank."""
        pace = self.pace
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

    def _compiles(self, count: int, total: int) -> None:
        self._draw(compiling.text(count, total) if count else "")

    def _draw(self, says: str = "") -> None:
        self._says, self._drawn_at = says, time.monotonic()
        self.refresh()


class TerminalBar(TrainingBar):
    """At the foot of a terminal; it vanishes at the end."""

    def __init__(self, pace: Pace) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(pace)
        console = Console(file=sys.stdout, force_jupyter=False)
        # Standard error may be a file, which is to get what is its own. No auto_refresh: a refreshing thread would
        # compete with those that compute.
        redirects = sys.stderr is not None and sys.stderr.isatty()
        self._live = Live(self, console=console, auto_refresh=False, transient=True, redirect_stderr=redirects)
        self._live.start()
        console.show_cursor(True)  # a training may be killed, and would leave a terminal without one

    def refresh(self) -> None:
        """Draw the line over the one before."""
        self._live.refresh()

    def close(self) -> None:
        """Erase the line."""
        self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        texts = self.texts()
        for name in DISPENSABLE:
            if sum(len(text) + 1 for text in texts.values()) <= options.max_width:
                break
            texts.pop(name, None)
        room = options.max_width - sum(len(text) + 1 for name, text in texts.items() if name != "bar")
        line = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
        for _ in texts:
            line.add_column(no_wrap=True, overflow="crop")
        bar = ProgressBar(
            self.pace.steps,
            self.pace.count,
            width=min(BAR, max(room, SHORT_BAR)),
            pulse=self.pace.steps is None,
            animation_time=0,
        )
        line.add_row(*(bar if name == "bar" else Text(text, STYLES.get(name, "")) for name, text in texts.items()))
        yield line
