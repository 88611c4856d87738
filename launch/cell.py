"""Showing a job below a cell of a notebook: its lines, and one table of its processes that changes as they go on."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..common.cell import shell
from .display import PlainDisplay, View, progress_line
from .progress import NUMBERS, Column

COLUMNS: dict[str, Column] = {**NUMBERS, "metric": lambda row: row.metric}
SHOWN = 16  # processes in the table
STYLE = "text-align:left;padding:.1em .8em;font-variant-numeric:tabular-nums"


class CellDisplay(PlainDisplay):
    """Lines as PlainDisplay has them, launch's own among the output, where a notebook does not colour them as errors.

    IPython brings what other threads than the cell's show to the cell that has started them.
    """

    def __init__(self, name: str) -> None:
        """`name` is that of the table among all outputs of the notebook: a job's id."""
        super().__init__()
        self._name, self._publish = name, shell().display_pub.publish
        self._last: dict[str, str] | None = None

    def say(self, text: str) -> None:
        """Write a line of the launcher to the output."""
        self.lines("launch", False, [line.encode("utf-8", "replace") for line in text.splitlines()])

    def show(self, view: View) -> None:
        """Draw the table anew, if something has changed."""
        data = {"text/plain": _plain(view), "text/html": _table(view)}
        if data != self._last:
            about = {"display_id": self._name}
            self._publish(data=data, metadata={}, transient=about, update=self._last is not None)
            self._last = data


def _plain(view: View) -> str:
    if row := next((row for row in view.rows if row.epoch is not None), None):
        return progress_line(row, view.seconds)
    states = ", ".join(f"{row.name} {row.state}" for row in view.rows[:SHOWN])
    return f"{view.seconds:.0f} s: {view.waiting or states}"


def _table(view: View) -> str:
    """The processes that are training first; their number is limited."""
    rows = sorted(view.rows, key=lambda row: row.epoch is None)
    head = _cells("th", ("process", "state", *COLUMNS))
    shown = [_cells("td", (row.name, row.state, *(column(row) for column in COLUMNS.values()))) for row in rows[:SHOWN]]
    more = f", and {len(rows) - SHOWN} processes more" if len(rows) > SHOWN else ""
    caption = escape(f"{view.seconds:.0f} s{more} {view.waiting}")
    return f"<table>{head}{''.join(shown)}</table><div>{caption}</div>"


def _cells(kind: str, texts: Sequence[str]) -> str:
    return "<tr>" + "".join(f'<{kind} style="{STYLE}">{escape(text)}</{kind}>' for text in texts) + "</tr>"
