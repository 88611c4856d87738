"""The live view on a terminal: the job's lines scroll by above a table of its processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..common.clock import clock
from .display import Display, PlainDisplay, Row, View, Writer, complaint, of, writer
from .lines import shown

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.text import Text

STYLES = {"w": "cyan", "p": "magenta", "s": "yellow", "l": "bold"}
UNITS = {0: "B", 3: "kB", 6: "MB", 9: "GB"}
STATE_STYLES = {
    **dict.fromkeys(("training", "serving", "listening", "done", "left"), "green"),
    **dict.fromkeys(("starting", "waiting"), "dim"),
}


class LiveDisplay:
    """Draws on standard error, which is a terminal.

    Standard output goes to the same console if it is a terminal, too (`out` is None), else to its own file by `out`.
    """

    def __init__(self, console: Console, out: Writer | None) -> None:
        from rich.live import Live

        self._console, self._out = console, out
        # No auto_refresh: only the output thread draws, when it calls `show`.
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._last: View | None = None
        self._live.start()

    def lines(self, name: str, is_error: bool, lines: Sequence[bytes]) -> None:
        """Print the lines above the table, or write them to the file that standard output is redirected to."""
        if self._out is not None and not is_error:
            self._out.write(b"".join(name.encode() + b" | " + shown(line) + b"\n" for line in lines))
            if trouble := complaint(self._out, None):
                self.say(trouble)
            return
        from rich.text import Text

        text = Text()
        for line in lines:
            text.append(f"{name} | ", STYLES.get(name[0], "")).append(shown(line).decode("utf-8", "replace") + "\n")
        self._console.print(text, soft_wrap=True, end="")

    def say(self, text: str) -> None:
        """Print a line of the launcher above the table."""
        self.lines("launch", True, [line.encode("utf-8", "replace") for line in text.splitlines()])

    def show(self, view: View) -> None:
        """Draw the table again, with the state of the job as it is now."""
        self._last = view
        self._live.update(table(view, self._console.width), refresh=True)

    def pause(self) -> None:
        """Remove the table until `resume`."""
        self._live.stop()

    def resume(self) -> None:
        """Draw it again."""
        self._live.start()

    def close(self) -> None:
        """Leave the terminal, with the last table on it."""
        self._live.stop()
        if self._last is not None:
            self._console.print(table(self._last, self._console.width))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _bytes(rate: float | None) -> str:
    if rate is None:
        return ""
    power = next((power for power in (9, 6, 3) if rate >= 10**power), 0)
    return f"{rate / 10**power:.{1 if power else 0}f} {UNITS[power]}"


Column = Callable[[Row], str]
BAR, SHORT_BAR = 40, 8  # characters of the bar where there is room, and where there is none for fewer
GAP = 3  # characters between two columns
DISPENSABLE = ("out/s", "in/s", "lag", "samples/s", "step", "epoch")

NUMBERS: dict[str, Column] = {
    "epoch": lambda row: _text(row.epoch) + of(row.epochs),
    "step": lambda row: _text(row.step) + of(row.steps),
    "samples/s": lambda row: "" if row.speed is None else f"{row.speed:,.0f}",
}
# Columns that are there if they have something to show.
MORE: dict[str, Column] = {
    "lag": lambda row: _text(row.lag),
    "in/s": lambda row: _bytes(row.received),
    "out/s": lambda row: _bytes(row.sent),
}


def table(view: View, width: int) -> Group:
    """The progress view: a table with one row per process, of fewer columns where `width` characters are too few, above
    a line about the whole job.
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    out = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("process", "state"):
        out.add_column(heading, no_wrap=True)
    more = [heading for heading in MORE if any(MORE[heading](row) for row in view.rows)]
    columns, room = _fitting(NUMBERS | {heading: MORE[heading] for heading in more}, view, width)
    for heading in columns:
        out.add_column(heading, justify="right", no_wrap=True)
    if room > len("metric"):
        out.add_column("metric", no_wrap=True)
    for row in view.rows:
        out.add_row(
            Text(row.name, STYLES.get(row.name[0], "")),
            Text(row.state, STATE_STYLES.get(row.state, "")),
            *(column(row) for column in columns.values()),
            *([Text(_whole_words(row.metric, room))] if room > len("metric") else []),
        )
    return Group(out, _caption(view, width))  # a caption of the table's own would be as narrow as the table


def _caption(view: View, width: int) -> Text:
    """The job's age, a bar of what is done, when it will be over, and what it waits for."""
    from rich.text import Text

    caption = Text(f"{view.seconds:.0f} s")
    known = ((share, row.seconds_left) for row in view.rows if (share := row.share) is not None)
    if (first := next(known, None)) is not None:
        share, seconds = first
        left = "" if seconds is None else f"  {clock(seconds)} left"
        percent = f" {share:.0%}{left}"
        room = min(BAR, width - len(caption) - len(percent) - 3)
        full = round(share * room)
        if room >= SHORT_BAR:
            caption.append("  ").append("━" * full, "green").append("━" * (room - full), "dim")
        caption.append(percent)
    return caption.append(f"   {view.waiting}" if view.waiting else "")


def _whole_words(text: str, room: int) -> str:
    """As many of the metrics as fit: half a number would be another one."""
    while len(text) > room:
        text = text.rpartition(" ")[0].rstrip(",")
    return text


def _fitting(columns: Mapping[str, Column], view: View, width: int) -> tuple[dict[str, Column], int]:
    """The columns for which there is room beside the others, those that can be missed best being left out first; and
    how many characters that leaves for metrics, of which the first one should be seen.
    """
    fixed: dict[str, Column] = {"process": lambda row: row.name, "state": lambda row: row.state}

    def taken(shown: Mapping[str, Column]) -> int:
        return sum(GAP + max(map(len, (heading, *map(column, view.rows)))) for heading, column in shown.items())

    left = dict(columns)
    metric = max(len("metric"), *(len(row.metric.partition(" ")[0]) for row in view.rows), 0)
    for heading in DISPENSABLE:
        if taken({**fixed, **left}) + metric > width - 2:
            left.pop(heading, None)
    return left, width - 2 - taken({**fixed, **left})  # 2: the table's margins


def choose_display(live: bool = True) -> Display:
    """The live view if `live` asks for it and standard error is a capable terminal, plain lines otherwise."""
    if (
        not live
        or sys.stderr is None
        or not sys.stderr.isatty()
        or os.environ.get("TERM", "dumb") in ("dumb", "unknown")
    ):
        return PlainDisplay()
    from rich.console import Console

    shared = sys.stdout is not None and sys.stdout.isatty()
    try:
        return LiveDisplay(Console(stderr=True, highlight=False, markup=False), None if shared else writer(sys.stdout))
    except Exception:  # the terminal has gone, or rich cannot cope with it: no reason not to train
        return PlainDisplay()
