"""A worker's place in a real job, and every way to leave it: in order, too early, by an error, because of a peer."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from ...common.channel import context_for
from ...common.errors import EXIT_FAILURE, JobError, PeerLost, exit_reason
from ...common.job import JobEnv
from ...common.left_files import left_mark
from ...common.link import Link
from ...common.messages import Fail, Progress, Resumable, Welcome
from ...common.network import Network
from ...common.wire import cut
from .exit_code import ExitCode
from .session import Session
from .transport import Transport

PROGRESS_EVERY = 0.5  # seconds between two lines of progress
FAILURE_NEWS = 3.0  # seconds that the news of a failure has to reach the scheduler; then the process ends anyway


class JobSession(Session):
    """Made by `current_session` in a process whose DMLC_ROLE is worker.

    Whoever leaves without telling the scheduler is only missed after a lease (30 s by default), so every way out of the
    process is watched: `close`, the exception hook for errors that nobody catches, and an exit handler for the rest.
    """

    def __init__(self, transport: Transport, welcome: Welcome) -> None:
        super().__init__(welcome.rank, welcome.workers, True)
        self.transport, self.num_servers = transport, len(welcome.servers)
        self._collectives = 0
        self._collecting = threading.Lock()
        self._last_progress = 0.0
        self._inside: list[str] = []
        self._over = False  # whether the job has been told, or knows itself, how this worker ended
        self._mark: Path | None = None
        self._pid = os.getpid()  # hooks and handlers are inherited by forked children, who must not speak for us
        self._previous_hook = sys.excepthook
        self._exit = ExitCode()

    @staticmethod
    def join(env: JobEnv) -> JobSession:
        """Join the job, start the transport, and watch how the process ends. Blocks until the job is complete.

        Raises JobError if the job refuses us or does not come about, PeerLost if it is aborted meanwhile.
        """
        mark = _mark_of(env)
        if mark is not None and mark.exists():
            raise JobError(
                f"worker {env.rank} has been in this job already and left it: there is one script per job",
                remedy="Start the second script with a `launch` of its own, or do the work of both in one script",
            )
        network = Network(context_for(env.num_servers))
        with ExitStack() as undo:  # a script may catch the error and go on: nothing of a failed attempt may stay
            undo.callback(network.destroy)  # also of connections to servers of which one could not be made
            link = Link(env, network)
            undo.callback(link.close, linger=1.0)
            try:
                welcome = link.join()
                transport = Transport(link, network, welcome)
            except BaseException as error:
                if isinstance(error, JobError) and link.welcome is not None:  # the others need not wait for a lease
                    link.send(Fail(reason=cut(str(error), 1000)))
                if isinstance(error, PeerLost):
                    _say(env.rank, str(error))
                raise
            undo.pop_all()
        session = JobSession(transport, welcome)
        session._mark = mark
        session.transport.start()
        sys.excepthook = session._uncaught
        session._exit.watch()
        atexit.register(session._at_exit)
        return session

    @property
    def is_lost(self) -> bool:
        """Whether the transport has failed; after an orderly end, too."""
        return self.transport.failure is not None

    # ---- collectives and news

    def _gather(self, payload: bytes, what: str) -> list[bytes]:
        with self._collecting, self.waiting(lambda: f'"{what}"'):
            self._collectives += 1  # within the lock: the scheduler matches the parts of all workers by this number
            return [bytes(part) for part in self.transport.gather(self._collectives, payload, what)]

    @contextmanager
    def waiting(self, what: Callable[[], str], fit: int | None = None) -> Iterator[None]:
        """Around a wait of the calling thread for other workers: in a collective, or for the store `fit`.

        `what` says in which step or collective, and is only asked if it takes long. Includes `saying`.
        """
        with self.saying(), self.transport.standings.waiting(what, fit):
            yield

    def progress(
        self,
        *,
        fit: int,
        epoch: int,
        step: int,
        samples_per_second: float,
        epochs: int = 0,
        steps: int = 0,
        seconds_left: float = 0.0,
        metric: Callable[[], str] = str,
        at_once: bool = False,
    ) -> None:
        """Tell the launcher how far we are, unless it was told within the last half second and that is enough.

        `samples_per_second` that are not a sensible number are reported as 0, and of `metric` the words for which 256
        bytes have room.
        """
        now = time.monotonic()
        if now - self._last_progress < PROGRESS_EVERY and not at_once:
            return
        self._last_progress = now
        # The wire takes only finite numbers, and progress is never worth an error.
        speed = samples_per_second if abs(samples_per_second) < 1e300 else 0.0
        self.transport.post(
            Progress(
                fit=fit,
                epoch=epoch,
                step=step,
                epochs=epochs,
                steps=steps,
                samples_per_second=speed,
                seconds_left=min(seconds_left, 1e9),
                metric=_words(metric()),
            )
        )

    def resumable(self, *, fit: int, epoch: int, batch: int, step: int) -> None:
        """Tell the launcher from where the job would go on if a process died."""
        if self.rank == 0:
            self.transport.post(Resumable(fit=fit, epoch=epoch, batch=batch, step=step))

    def not_resumable(self, obstacle: str) -> None:
        """Tell the launcher why the job could not go on if a process died."""
        if self.rank == 0:
            self.transport.post(Resumable(obstacle=cut(obstacle, 256)))

    def give_up(self, reason: str) -> None:
        """Tell the others that this worker ends before its time, and wait a moment until they know."""
        self._over = True
        self.transport.fail(reason, FAILURE_NEWS)

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
        """While inside, leaving the process early is an error that names `what`.

        An exception ends that: the exception hook reports it, or the script catches it and goes on. SystemExit does
        not, except for PeerLost: the job knows already why this worker ends.
        """
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
        """Wait until the servers have everything and leave the job; there is no way back in.

        Raises PeerLost or JobError if the job ends before that, RemoteError if a server refuses something.
        """
        if self._over:
            return
        with self.saying():
            self.transport.leave()
        if self._mark is not None:
            with suppress(OSError):  # it makes an error clearer, no more
                self._mark.touch()
        self._over = True
        atexit.unregister(self._at_exit)

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self._previous_hook(kind, error, trace)
        if self._over or os.getpid() != self._pid or hasattr(sys, "ps1"):
            return  # an interactive session goes on after an error
        self._over = True  # before anything that may fail in its turn: `_at_exit` must not report a second reason
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


def _mark_of(env: JobEnv) -> Path | None:
    """A file that says to later processes of this worker that its place in the job is gone.

    Two scripts in one command (`bash -c "a && b"`) would otherwise have the second wait for a job that is over. Only
    `launch` makes a folder for each job anew.
    """
    launched = os.environ.get("PUSHGRAD_LAUNCHED") and env.job_dir is not None and env.rank is not None
    return Path(str(env.job_dir), left_mark(f"w{env.rank}")) if launched else None


def _words(text: str) -> str:
    """What a message has room for; half a number would be another one."""
    short = cut(text, 256)
    return text if short == text else short.rpartition(" ")[0]


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
