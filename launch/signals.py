"""Signals as events: the launcher is told of them instead of being interrupted."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from types import FrameType
from typing import Any

from .wake import Wake

NOTED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTSTP,
)
ANNOUNCEMENTS = frozenset({signal.SIGUSR1, signal.SIGUSR2})  # with which batch systems announce the end
PASSED_ON = ANNOUNCEMENTS | {signal.SIGHUP}
LAST_RESORT = 15.0  # seconds after a second Ctrl-C when launch ends, whatever it is waiting for

_early: list[int] = []  # what came before a Mailbox was open


def hold_announcements() -> None:
    """Keep those that come before a Mailbox is open for it; they would end this process otherwise.

    By handlers, since children would inherit a mask.
    """
    for signum in ANNOUNCEMENTS:
        if signal.getsignal(signum) is signal.SIG_DFL:
            signal.signal(signum, lambda number, frame: _early.append(number))


class Mailbox:
    """Notes signals while it is open, in `received`, and wakes whoever waits on `wake`; then restores the handlers.

    A signal that is ignored stays ignored, as under nohup. Outside of the main thread, where Python allows no handlers,
    nothing is noted. If this process is `ours` alone, two Ctrl-C end it for certain: after LAST_RESORT seconds it
    leaves what it cannot end to the keeper (keeper.py).
    """

    def __init__(self, ours: bool = False) -> None:
        self.wake = Wake()
        self.received: deque[int] = deque()  # appended by the handler: a deque needs no lock
        self.interrupts = 0
        self.ours = ours
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Mailbox:
        if threading.current_thread() is threading.main_thread():
            for signum in NOTED:
                # None: set by somebody other than Python, who could not be restored.
                if signal.getsignal(signum) not in (signal.SIG_IGN, None):
                    self._before[signum] = signal.signal(signum, self._note)
            # Ignoring SIGCHLD may be inherited from whoever started us. The kernel then discards exit codes.
            if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
                self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            while _early:
                self._note(_early.pop(0), None)
        return self

    @property
    def noted(self) -> frozenset[int]:
        """The signals that are noted; the others do what they did before."""
        return frozenset(self._before)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        # Called between two bytecodes of the main thread: it must not wait for anything.
        self.received.append(signum)
        self.interrupts += signum == signal.SIGINT
        if self.ours and self.interrupts == 2:
            self._before.setdefault(signal.SIGALRM, signal.signal(signal.SIGALRM, _end_now))
            signal.setitimer(signal.ITIMER_REAL, LAST_RESORT)
        self.wake.call()

    def __exit__(self, *error: object) -> None:
        if signal.SIGALRM in self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for signum, previous in self._before.items():
            signal.signal(signum, previous)
        self.wake.close()  # last: until now a handler could call it


def _end_now(signum: int, frame: FrameType | None) -> None:
    os._exit(128 + signal.SIGINT)


def stop_here() -> None:
    """Stop this process as Ctrl-Z does; returns when it is continued, or at once if no shell could continue it.

    To this thread, so that it takes effect before the call returns and the handler is back in its place.
    """
    previous = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, previous)
