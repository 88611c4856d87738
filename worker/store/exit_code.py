"""With which exit code a worker's script ends."""

from __future__ import annotations

import builtins
import dis
import sys
import threading
from _sitebuiltins import Quitter
from types import FrameType
from typing import Any, NoReturn


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
