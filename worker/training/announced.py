"""Signals that announce the end: the state is kept before it comes.

SIGTERM asks for a snapshot after the step under way, and then ends the process as it would have; SIGUSR1, which batch
systems send some time before the end, only asks for the snapshot. A script's own handlers, and ignored signals, stay.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

from ..store.session import Session

PATIENCE = 5.0  # seconds that another worker than the first goes on, so that the first can complete its step


class Announced:
    """`snapshot` says that one has been asked for; whoever heeds it sets it to False.

    Only rank 0 takes one. The others go on after a SIGTERM until rank 0 has ended the job.
    """

    def __init__(self, session: Session) -> None:
        self.snapshot = False
        self._session = session
        self._since: float | None = None  # when SIGTERM came
        self._ours: list[signal.Signals] = []

    def begin(self) -> None:
        """Take the signals that nobody else does, if this thread can."""
        wanted = [signal.SIGTERM, *([signal.SIGUSR1] if self._session.rank == 0 else [])]
        if threading.current_thread() is threading.main_thread():
            self._ours = [signum for signum in wanted if signal.getsignal(signum) is signal.SIG_DFL]
        for signum in self._ours:
            signal.signal(signum, self._note)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.snapshot = self._session.rank == 0
        if signum == signal.SIGTERM and self._since is None:
            self._since = time.monotonic()

    @property
    def ends(self) -> bool:
        """Whether this process is to end, once its snapshot has been written."""
        return self._since is not None and (self._session.rank == 0 or time.monotonic() - self._since > PATIENCE)

    def end(self) -> None:
        """Tell the others, and die of SIGTERM."""
        self._session.give_up("ended by SIGTERM")
        self.close()
        os.kill(os.getpid(), signal.SIGTERM)

    def close(self) -> None:
        """Let the signals do again what they did."""
        for signum in self._ours:
            signal.signal(signum, signal.SIG_DFL)
        self._ours = []
