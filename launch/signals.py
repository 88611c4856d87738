"""Signals as events: the launcher is told of them instead of being interrupted."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def forwarded(receive: Callable[[int], None]) -> Iterator[None]:
    """Hand SIGINT, SIGTERM and SIGHUP to `receive` while the context lasts; then restore the former handlers.

    A signal that is ignored stays ignored, as under nohup. Outside of the main thread, where Python allows no handlers,
    nothing changes. `receive` is called between two bytecodes of the main thread, so it must not wait for anything.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(signum: int, frame: FrameType | None) -> None:
        receive(signum)

    before = {}
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            before[signum] = signal.signal(signum, handler)
    # Ignoring SIGCHLD may be inherited from whoever started us. The kernel then discards exit codes.
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        for signum, previous in before.items():
            signal.signal(signum, previous)
