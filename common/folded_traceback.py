"""The traceback of a script in a job, without the frames that are not its own."""

from __future__ import annotations

import itertools
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from .errors import PushgradError

_ROOT = Path(__file__).parents[1]
_OURS = tuple(f"{_ROOT / room}/" for room in ("common", "launch", "ps", "worker"))  # not the examples beside them
_LIBRARIES = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "purelib", "platlib"))


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_OURS)


def _is_a_librarys(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith((*_LIBRARIES, "<frozen")) and not _is_ours(frame)


def fold_uncaught() -> None:
    """Print errors that nobody catches by `folded`, unless somebody has other plans with them."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _print_folded


def _print_folded(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if hasattr(sys, "ps1") or sys.stderr is None:
        sys.__excepthook__(kind, error, trace)
        return
    with suppress(Exception):  # a closed stream, or an error that cannot be printed
        print(folded(kind, error, trace), end="", file=sys.stderr, flush=True)


class _Folded(traceback.StackSummary):
    """Frames of which runs of ours are one line."""

    def format(self, **options: Any) -> list[str]:
        lines: list[str] = []
        for ours, run in _runs(self):
            if ours:
                lines.append(f"  ... {len(run)} {'frame' if len(run) == 1 else 'frames'} of pushgrad\n")
            else:
                lines += traceback.StackSummary.from_list(run).format(**options)
        return lines


def _runs(frames: list[traceback.FrameSummary]) -> Iterator[tuple[bool, list[traceback.FrameSummary]]]:
    return ((ours, list(run)) for ours, run in itertools.groupby(frames, _is_ours))


def folded(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> str:
    """The traceback of an error as Python prints it, but with runs of our frames folded into a line each.

    An error that we did not raise on purpose and that comes from our own code is a fault of ours: nothing of it is
    folded.
    """
    found = traceback.TracebackException(kind, error, trace)
    last = next((frame for frame in reversed(found.stack) if not _is_a_librarys(frame)), None)
    if isinstance(error, PushgradError) or last is None or not _is_ours(last):
        seen: set[int] = set()
        pending: list[traceback.TracebackException | None] = [found]
        while pending:
            item = pending.pop()
            if item is not None and id(item) not in seen:
                seen.add(id(item))
                item.stack = _Folded(item.stack)
                pending += [item.__cause__, item.__context__, *(item.exceptions or [])]
    return "".join(found.format())
