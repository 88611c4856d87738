"""Says that kernels are being compiled: a training in a new place would otherwise be silent for a minute.

numba reports each compilation, but not what it finds in its cache. How many are still to come nobody knows: a kernel is
compiled when it is first called, and a module has kernels for more cases than one network has. So a line says how many
there have been, and how many there usually are.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

PATIENCE = 2.0  # seconds of compiling that pass without a line where there is no terminal
USUAL = "15 to 50"  # kernels: LeNet needs 30
# For a terminal: keep the cursor's place; go back there, and forget what was written since; cut off what is too long.
SAVE, BACK, NO_WRAP, WRAP = "\x1b7", "\x1b8\x1b[K", "\x1b[?7l", "\x1b[?7h"
PACKAGE = __name__.split(".")[0]

_tellers: list[Callable[[int], None]] = []  # the last is told; standard error if there is none


@contextmanager
def told_to(teller: Callable[[int], None]) -> Iterator[None]:
    """Inside, `teller` gets the number of kernels at the start of each compilation, and 0 when none is under way.

    It is called by whatever thread needs the kernel.
    """
    _tellers.append(teller)
    try:
        yield
    finally:
        _tellers.remove(teller)


@lru_cache(maxsize=1)
def listen() -> None:
    """Take numba's reports from now on."""
    from numba.core import event

    events: Any = event  # which has no annotations
    events.register("numba:compile", _listener())


def _listener() -> Any:
    from numba.core import event

    class Listener(event.Listener):  # numba takes only subclasses, and is imported late
        def __init__(self) -> None:
            self.count = self.depth = 0  # a kernel's compilation includes those of the kernels that it calls
            self.tell = OnStandardError()

        def on_start(self, event: Any) -> None:
            if _is_ours(event):
                self.count, self.depth = self.count + 1, self.depth + 1
                (_tellers[-1] if _tellers else self.tell)(self.count)

        def on_end(self, event: Any) -> None:
            if _is_ours(event):
                self.depth -= 1
                if not self.depth:
                    (_tellers[-1] if _tellers else self.tell)(0)

    return Listener()


def _is_ours(event: Any) -> bool:
    return str(event.data["dispatcher"].py_func.__module__).split(".")[0] == PACKAGE


class OnStandardError:
    """On a terminal, a text that counts and vanishes, behind what an unfinished line may have; elsewhere one line, if
    compiling takes its time.
    """

    def __init__(self) -> None:
        self._shown = False
        self._began = 0.0
        self._spent = 0.0
        self._said = False

    def __call__(self, count: int) -> None:
        """Take the number of the compilation that begins; 0 if one has ended."""
        if sys.stderr is None:
            return
        if sys.stderr.isatty():
            self._show(text(count) if count else "")
        elif not self._said:
            self._time(count)

    def _show(self, text: str) -> None:
        if not self._shown and sys.stdout is not None:
            sys.stdout.flush()  # an unfinished line
        begin = BACK if self._shown else SAVE
        self._shown = bool(text)
        sys.stderr.write(f"{begin}{NO_WRAP}{text}{WRAP}" if text else begin)
        sys.stderr.flush()

    def _time(self, count: int) -> None:
        now = time.monotonic()
        self._began = self._began if self._began and count else now
        self._spent += now - self._began if not count else 0.0
        if count and self._spent + now - self._began > PATIENCE and os.environ.get("RANK", "0") == "0":
            self._said = True  # by one process of a job: all are at it
            print(f"{PACKAGE}: compiling kernels, once; this may take a minute", file=sys.stderr, flush=True)


def text(count: int) -> str:
    """What is said while kernel number `count` is compiled."""
    return f"compiling kernels, once: {count} (most networks need {USUAL})"
