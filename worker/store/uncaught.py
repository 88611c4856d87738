"""How a worker's script ends: its exit code, and the traceback of an error without the frames that are not its own."""

from __future__ import annotations

import builtins
import dis
import itertools
import sys
import sysconfig
import threading
import traceback
from _sitebuiltins import Quitter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from ...common.errors import PushgradError

_ROOT = Path(__file__).parents[2]
_OURS = tuple(f"{_ROOT / room}/" for room in ("common", "launch", "ps", "worker"))  # not the examples beside them
_LIBRARIES = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "purelib", "platlib"))


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_OURS)


def _is_a_librarys(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith((*_LIBRARIES, "<frozen")) and not _is_ours(frame)


class ExitCode:
    """Watches `sys.exit`, `exit` and `quit`: at exit Python no longer says with which code it ends.

    A plain `raise SystemExit(code)` cannot be watched.
    """

    def __init__(self) -> None:
        self._code = 0
        self._exit = sys.exit
        self._main: FrameType | None = None

    def watch(self) -> None:
        """From now on note every call of `sys.exit`."""
        self._main = sys._current_frames().get(threading.main_thread().ident or 0)
        while self._main is not None and self._main.f_back is not None:
            self._main = self._main.f_back
        sys.exit = self._noted
        for name in ("exit", "quit"):  # which the module site makes for interactive use, and scripts call all the same
            if isinstance(getattr(builtins, name, None), Quitter):
                setattr(builtins, name, self._noted)

    def _noted(self, status: Any = None, /) -> NoReturn:
        try:
            self._exit(status)
        except SystemExit as end:
            if threading.current_thread() is threading.main_thread():  # elsewhere it ends the thread only
                # A text counts as 1; of a number the system keeps the last byte.
                self._code = end.code & 255 if isinstance(end.code, int) else int(end.code is not None)
            raise

    @property
    def code(self) -> int:
        """That of the last call, 0 before any, and 0 if the script has caught it and come to its end."""
        frame = self._main
        if frame is None or frame.f_lasti < 0:
            return self._code
        ended = dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith("RETURN")
        return 0 if ended else self._code


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
