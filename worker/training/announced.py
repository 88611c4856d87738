"""Signals that announce the end: the state is kept before it comes.

SIGTERM asks for a snapshot after the step under way, and then ends the process as it would have; SIGUSR1, which batch
systems send some time before the end, only asks for the snapshot. A script's own handlers, and ignored signals, stay.
Where a death ends the job, the step under way may wait for the dead: then there is little time for a snapshot.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from ...common.left_files import DEATH
from ..store.session import Session

# Seconds that another worker than the first goes on, so that the first can complete its step; and that all of them do
# after a death.
PATIENCE = 5.0


class Announced:
    """`snapshot` says that one has been asked for; whoever heeds it sets it to False.

    Only rank 0 takes one. The others go on after a SIGTERM until rank 0 has ended the job.
    """

    def __init__(self, session: Session, longest: float | None = None) -> None:
        """`longest`: seconds after SIGTERM at which the process ends, whether anybody has heeded it or not."""
        self.snapshot = False
        self._session, self._longest = session, longest
        self._since: float | None = None  # when SIGTERM came
        self._too_late = False
        self._before: dict[signal.Signals, Any] = {}  # what the signals that are ours did

    def begin(self) -> None:
        """Take the signals that nobody else does, if this thread can; from another Announced for the time being."""
        wanted = [signal.SIGTERM, *([signal.SIGUSR1] if self._session.rank == 0 else [])]
        for signum in wanted if _may_take_signals() else []:
            handler = signal.getsignal(signum)
            if handler is signal.SIG_DFL or isinstance(getattr(handler, "__self__", None), Announced):
                self._before[signum] = signal.signal(signum, self._note)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if self._too_late:
            self._die()
        self.snapshot = self._session.rank == 0
        if signum == signal.SIGTERM and self._since is None:
            self._since = time.monotonic()
            longest = PATIENCE if _after_a_death() else self._longest
            if longest is not None:  # not by `threading`, whose locks the interrupted code may hold
                _thread.start_new_thread(self._end_after, (longest,))

    def _end_after(self, seconds: float) -> None:
        time.sleep(seconds)
        self._too_late = True
        os.kill(os.getpid(), signal.SIGTERM)

    @property
    def ends(self) -> bool:
        """Whether this process is to end, once its snapshot has been written."""
        return self._since is not None and (self._session.rank == 0 or time.monotonic() - self._since > PATIENCE)

    def end(self) -> None:
        """Tell the others, and die of SIGTERM."""
        self._session.give_up("ended by SIGTERM")
        self._die()

    def _die(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def close(self, finish: Callable[[], None]) -> None:
        """Let the signals do again what they did. A SIGTERM that has come and was not heeded does it after `finish`."""
        if not _may_take_signals():
            return
        if self._since is not None:
            finish()
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        self._before = {}
        if self._since is not None:
            os.kill(os.getpid(), signal.SIGTERM)


def _after_a_death() -> bool:
    """Whether `launch` ends the job because one of its processes has died."""
    folder = os.environ.get("PUSHGRAD_JOB_DIR")
    return folder is not None and Path(folder, DEATH).exists()


def _may_take_signals() -> bool:
    return threading.current_thread() is threading.main_thread()
