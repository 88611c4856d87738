"""Lines of the training log: printed to standard output and flushed at once, with numbers as R prints them.

Whoever watches a training on a terminal gets four digits instead: see `brief`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_brief = ContextVar("is_brief", default=False)


def r_number(value: float) -> str:
    """`value` with up to 15 significant digits, as R's paste() shows it: 0.488888888888889; 0.4889 where `brief`."""
    return f"{value:.4g}" if _is_brief.get() else f"{value:.15g}"


@contextmanager
def brief(wanted: bool) -> Iterator[None]:
    """Inside, what is logged is for people who watch, if `wanted`: of numbers, four digits."""
    token = _is_brief.set(wanted)
    try:
        yield
    finally:
        _is_brief.reset(token)


def is_brief() -> bool:
    """Whether what is logged is for people who watch."""
    return _is_brief.get()


def log_line(text: str) -> None:
    """Print one line and flush it, so that a launcher that reads the pipe sees it immediately."""
    print(f"{text}\n", end="", flush=True)  # in one write, even unbuffered: a kill leaves whole lines


def note(text: str) -> None:
    """Print one line on standard error: about the training, whose own lines are those of the log."""
    print(f"pushgrad: {text}", file=sys.stderr, flush=True)
