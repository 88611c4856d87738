"""Says that kernels are being compiled: a training in a new place would otherwise be silent for a minute.

numba reports each compilation, but not what it finds in its cache, nor what is still to come: a kernel is compiled when
it is first called. Whoever binds a network says what will call kernels (`expect`), and expected_kernels.py finds these;
what it misses is added when its turn comes, so the total may grow, but is never less than what has been counted.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from weakref import WeakValueDictionary

from .expected_kernels import Search, is_cached, is_ours

PATIENCE = 2.0  # seconds of compiling that pass without a line where there is no terminal
# For a terminal: keep the cursor's place; go back there, and forget what was written since; cut off what is too long.
SAVE, BACK, NO_WRAP, WRAP = "\x1b7", "\x1b8\x1b[K", "\x1b[?7l", "\x1b[?7h"
PACKAGE = __name__.split(".")[0]

Teller = Callable[[int, int], None]

_tellers: list[Teller] = []  # the last is told; standard error if there is none
_to_come: WeakValueDictionary[int, Any] = WeakValueDictionary()  # by identity: what has not been searched yet


@contextmanager
def told_to(teller: Teller) -> Iterator[None]:
    """Inside, `teller` gets the number of the kernel at the start of each compilation, and how many there are in all;
    (0, 0) when none is under way.

    It is called by whatever thread needs the kernel.
    """
    _tellers.append(teller)
    try:
        yield
    finally:
        _tellers.remove(teller)


def expect(start: Any) -> None:
    """Note that a kernel will be called, or the passes of a bound operator. It is kept alive by others."""
    _to_come[id(start)] = start


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
            self.depth = 0  # a kernel's compilation includes those of the kernels that it calls
            self.tally = Tally()
            self.tell = OnStandardError()

        def on_start(self, event: Any) -> None:
            kernel = event.data["dispatcher"]
            if is_ours(kernel.py_func):
                self.depth += 1
                (_tellers[-1] if _tellers else self.tell)(*self.tally.begin(kernel))

        def on_end(self, event: Any) -> None:
            if is_ours(event.data["dispatcher"].py_func):
                self.depth -= 1
                if not self.depth:
                    (_tellers[-1] if _tellers else self.tell)(0, 0)

    return Listener()


class Tally:
    """Counts kernels, each once, whatever the types for which it is compiled."""

    def __init__(self) -> None:
        self._begun: dict[Any, None] = {}
        self._expected: dict[Any, None] = {}  # those that were in no cache when they were found
        self._search = Search()

    def begin(self, kernel: Any) -> tuple[int, int]:
        """Take the kernel that is being compiled; returns the number of kernels so far, and that of all."""
        self._begun[kernel] = None
        while _to_come:
            self._search.begin(_to_come.popitem()[1])
        new = self._search.take()
        self._expected.update(dict.fromkeys(one for one in new if not is_cached(one)))
        return len(self._begun), len(self._begun | self._expected)


class OnStandardError:
    """On a terminal, a text that counts and vanishes, behind what an unfinished line may have; elsewhere one line, if
    compiling takes its time.
    """

    def __init__(self) -> None:
        self._shown = False
        self._began = 0.0
        self._spent = 0.0
        self._said = False

    def __call__(self, count: int, total: int) -> None:
        """Take the number of the kernel that is being compiled and how many there are; 0 if one has ended."""
        if sys.stderr is None:
            return
        if sys.stderr.isatty():
            self._show(text(count, total) if count else "")
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


def text(count: int, total: int) -> str:
    """What is said while kernel number `count` is compiled; `total` is no more than that until a network is bound."""
    return f"compiling kernels, once: {count}" + (f" of {total}" if total > count else "")
