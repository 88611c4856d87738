"""Lines of the training log: printed to standard output and flushed at once, with numbers as R prints them."""

from __future__ import annotations

import functools
import sys


def r_number(value: float) -> str:
    """`value` with up to 15 significant digits, as R's paste() shows it: 0.488888888888889."""
    return f"{value:.15g}"


def log_line(text: str) -> None:
    """Print one line and flush it, so that a launcher that reads the pipe sees it immediately."""
    print(f"{text}\n", end="", flush=True)  # in one write, even unbuffered: a kill leaves whole lines


def note(text: str) -> None:
    """Print one line on standard error: about the training, whose own lines are those of the log."""
    print(f"pushgrad: {text}", file=sys.stderr, flush=True)


@functools.cache
def note_once(text: str) -> None:
    """Print it as `note` does, unless this process has done so before."""
    note(text)
