"""A worker's place in a real job, and every way to leave it: in order, too early, by an error, because of a peer."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import NoReturn

import zmq

from ...common.channel import Context
from ...common.errors import EXIT_FAILURE, PeerLost, exit_reason
from ...common.job import JobEnv
from ...common.link import Link
from ...common.messages import Progress, Welcome
from .session import Session
from .transport import Transport
from .uncaught import ExitCode, folded

PROGRESS_EVERY = 0.5  # seconds
FAILURE_NEWS = 3.0  # seconds that the news of a failure gets to reach the scheduler


class JobSession(Session):
    """Made by `current_session` in a process whose DMLC_ROLE is worker."""

    def __init__(self, transport: Transport, welcome: Welcome) -> None:
        super().__init__(welcome.rank, len(welcome.workers), True)
        self.transport, self.num_servers = transport, len(welcome.servers)
        self._collectives = 0
        self._collecting = threading.Lock()
        self._last_progress = 0.0
        self._inside: list[str] = []
        self._over = False
        self._pid = os.getpid()
        self._previous_hook = sys.excepthook
        self._exit = ExitCode()

    @staticmethod
    def join(env: JobEnv) -> JobSession:
        """Join the job and start the transport."""
        context: Context = zmq.Context(io_threads=2)
        link = Link(env, context)
        try:
            welcome = link.join()
        except BaseException as error:
            link.close()
            if isinstance(error, PeerLost):
                _say(env.rank, str(error))
            raise
        session = JobSession(Transport(link, context, welcome), welcome)
        session.transport.start()
        sys.excepthook = session._uncaught
        session._exit.watch()
        atexit.register(session._at_exit)
        return session

    # ---- collectives and news

    def _gather(self, payload: bytes) -> list[bytes]:
        with self._collecting, self.saying():
            self._collectives += 1
            return [bytes(part) for part in self.transport.gather(self._collectives, payload)]

    def progress(
        self, *, fit: int, epoch: int, step: int, samples_per_second: float, metric: Callable[[], str] = str
    ) -> None:
        """See Session."""
        now = time.monotonic()
        if now - self._last_progress < PROGRESS_EVERY:
            return
        self._last_progress = now
        speed = samples_per_second if abs(samples_per_second) < 1e300 else 0.0
        self.transport.post(Progress(fit=fit, epoch=epoch, step=step, samples_per_second=speed, metric=metric()[:60]))

    @contextmanager
    def saying(self) -> Iterator[None]:
        """Around everything that may learn of a lost peer: say so on standard error, once."""
        try:
            yield
        except PeerLost as lost:
            if not self._over:
                self._over = True
                _say(self.rank, str(lost))
            raise

    # ---- leaving

    @contextmanager
    def running(self, what: str) -> Iterator[None]:
        """See Session."""
        self._inside.append(what)
        try:
            yield
        except SystemExit as end:
            if isinstance(end, PeerLost):
                self._inside.pop()
            raise  # `_at_exit` finds that we are still inside
        except BaseException:
            self._inside.pop()
            raise
        else:
            self._inside.pop()

    def close(self) -> None:
        """Wait until the servers have everything and leave the job; there is no way back in."""
        if self._over:
            return
        with self.saying():
            self.transport.leave()
        self._over = True
        atexit.unregister(self._at_exit)

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if self._previous_hook is sys.__excepthook__ and not hasattr(sys, "ps1") and sys.stderr is not None:
            with suppress(Exception):  # a closed stream, an error that cannot be printed: the others must hear of it
                print(folded(kind, error, trace), end="", file=sys.stderr, flush=True)
        else:  # somebody has other plans with it
            self._previous_hook(kind, error, trace)
        if self._over or os.getpid() != self._pid or hasattr(sys, "ps1"):
            return  # an interactive session goes on after an error
        self._over = True
        where = traceback.extract_tb(trace)[-1] if trace else None
        place = f" ({os.path.basename(where.filename)}:{where.lineno})" if where else ""  # noqa: PTH119
        self.transport.fail(f"{kind.__name__}: {_text(error)}{place}", FAILURE_NEWS)

    def _at_exit(self) -> None:
        if self._over or os.getpid() != self._pid:
            return
        if self._inside:
            text = f"exited before its {self._inside[-1]} had ended"
            _say(self.rank, f"error: {text}")
            self.transport.fail(exit_reason(self._exit.code) if self._exit.code else text, FAILURE_NEWS)
            _end_now(self._exit.code or EXIT_FAILURE)
        if self._exit.code:  # Python ends with it in any case: let the others hear of it, who might take it for success
            self._over = True
            self.transport.fail(exit_reason(self._exit.code), FAILURE_NEWS)
            return
        try:
            self.close()
        except PeerLost as lost:
            _end_now(int(lost.code or EXIT_FAILURE))
        except Exception as error:  # at this point nobody else would turn it into an exit code
            _say(self.rank, f"error: {error}")
            self.transport.fail(f"{type(error).__name__}: {error}", FAILURE_NEWS)
            _end_now(EXIT_FAILURE)


def _text(error: BaseException) -> str:
    try:
        return str(error)[:800]
    except Exception:
        return "(it cannot be printed)"


def _say(rank: int | None, text: str) -> None:
    print(f"pushgrad worker{'' if rank is None else f' {rank}'}: {text}", file=sys.stderr, flush=True)


def _end_now(code: int) -> NoReturn:
    """The interpreter is ending already: this is the only way left to choose its exit code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
