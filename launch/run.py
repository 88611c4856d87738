"""Runs a planned job: starts its processes, hands events to the supervisor, and does what it decides.

Everything is decided and done in one thread. Signal handlers and the threads of children.py only leave a note and wake
it through a pipe (it may be waiting in select); output.py has a thread of its own.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import time
from collections import deque
from collections.abc import Sequence

from ..common.errors import JobError
from .children import Children
from .display import Display, Row, View
from .held_port import held_port
from .job import Job
from .keeper import Keeper
from .output import Output
from .process_plan import ProcessSpec, count, inherited
from .report import report
from .signals import forwarded
from .status_reader import Event, StatusReader
from .supervisor import FINISH_WAIT, Action, Supervisor
from .waiting import Waits

CONFIG = "job.toml"  # the job's configuration, beside its logs
VIEW_PERIOD = 0.25  # seconds between two views for the display


def run_job(
    job: Job, specs: Sequence[ProcessSpec], display: Display, *, quiet: bool = False, verbose: bool = False
) -> int:
    """Run the processes to their end and return the exit code of `launch`.

    The logs stay if the job fails or `job.keep_logs` says so. Raises JobError if the job's folders cannot be made.
    """
    try:
        # Not exist_ok: a folder that somebody else has made in /tmp could be read, or full of links.
        job.job_dir.mkdir(mode=0o700)
        job.log_dir.parent.mkdir(parents=True, exist_ok=True)
        job.log_dir.mkdir(mode=0o700)
        if job.config:
            (job.log_dir / CONFIG).write_bytes(job.config.encode("utf-8", "replace"))
    except OSError as error:
        raise JobError(f"cannot make the folder {error.filename} for the job: {error.strerror}") from None
    with held_port(specs) as ready:
        runner = Runner(job, ready, display, quiet, verbose)
        with forwarded(runner.receive):
            code = runner.run()
    if code == 0 and not job.keep_logs:
        shutil.rmtree(job.job_dir, ignore_errors=True)
    return code


class Runner:
    """One run of a job, from the first process to the report."""

    def __init__(self, job: Job, specs: Sequence[ProcessSpec], display: Display, quiet: bool, verbose: bool) -> None:
        self._job, self._specs, self._display = job, specs, display
        self._quiet, self._verbose = quiet, verbose
        self._begin = time.monotonic()
        self._supervisor = Supervisor(specs, self._begin, job.timeout, job.grace_period, job.start_timeout)
        self._signals: deque[int] = deque()  # appended by the signal handler: a deque needs no lock
        self._hurry = False
        self._waiting = ""
        self._waits = Waits(job.grace_period)
        self._next_view = 0.0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._status = StatusReader()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._selector.register(self._status.fd, selectors.EVENT_READ)
        environ = inherited(os.environ)
        # The keeper before any other process, so that none is ever unguarded; the output's thread after it, as
        # starting a process forks.
        self._children = Children(environ, Keeper(job.job_id, job.job_dir, environ), self._wake)
        self._output = Output(display, job.log_dir, job.separate_logs)

    def receive(self, signum: int) -> None:
        """Note a signal. Safe to call from a signal handler: it takes no lock and does not block."""
        self._signals.append(signum)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it will wake up anyway
            os.write(self._wake_write, b"!")

    def run(self) -> int:
        """Start, supervise, clear up and report; returns the exit code."""
        self._say(self._headline())
        try:
            self._spawn(self._specs[0])  # the scheduler; the others need its port
            while not self._supervisor.over:
                self._once()
        except BaseException:  # an error of our own: nothing may be left behind, and no grace is due
            self._hurry = True
            raise
        finally:
            self._clear_up()
        self._report()
        return self._supervisor.exit_code

    def _headline(self) -> str:
        job = self._job
        return (
            f"job {job.job_id}: {count(job.workers, 'worker')}, {count(job.servers, 'server')}; logs in {job.log_dir}"
        )

    def _once(self) -> None:
        """Wait for something to happen and deal with it."""
        now = time.monotonic()
        self._obey(self._supervisor.tick(now))
        due = self._supervisor.deadline()
        # Never longer than VIEW_PERIOD, so that the table's seconds go on.
        self._selector.select(VIEW_PERIOD if due is None else max(0.0, min(due - now, VIEW_PERIOD)))
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        self._take_signals()
        self._take_status()
        while (ended := self._children.next_exit()) is not None:
            # Again, before each end: what a process told the scheduler before it ended (that it leaves, say) decides
            # how its end is judged, and must not be read after it.
            self._take_status()
            if self._verbose:
                self._say(f"{ended[0]} ended with {ended[1]}")
            self._obey(self._supervisor.exited(*ended, time.monotonic()))
        self._say_waits()
        self._show()

    def _say_waits(self) -> None:
        job = self._supervisor
        news = self._waits.news(list(job.members.values()), job.port is not None, job.stopping, time.monotonic())
        if news is not None:
            self._say(news)

    def _take_signals(self) -> None:
        while self._signals:
            self._obey(self._supervisor.signalled(self._signals.popleft(), time.monotonic()))

    def _take_status(self) -> None:
        events = self._status.read()
        # A pipe that has ended is always readable: select would return at once, for ever.
        if not self._status.open and self._status.fd in self._selector.get_map():
            self._selector.unregister(self._status.fd)
        for event in events:
            self._narrate(event)
            self._obey(self._supervisor.status(event, time.monotonic()))

    def _narrate(self, event: Event) -> None:
        if event["event"] == "waiting" and event.get("text") != self._waiting:
            self._waiting = str(event.get("text"))
            self._say(self._waiting)
        elif self._verbose and event["event"] != "progress":
            self._say(" ".join(f"{name}={value}" for name, value in event.items()))

    def _obey(self, actions: list[Action]) -> None:
        for action in actions:
            if action is Action.START:
                self._start_rest()
            elif action is Action.TERM:
                self._children.signal(signal.SIGTERM)
            else:
                self._hurry = True  # `_clear_up` must not grant another grace period
                self._children.signal(signal.SIGKILL)

    def _start_rest(self) -> None:
        port = self._supervisor.port
        assert port is not None
        for spec in self._specs[1:]:
            if not self._supervisor.stopping:  # it is, after the first that could not be started
                self._spawn(spec.with_port(port))

    def _spawn(self, spec: ProcessSpec) -> None:
        extra: dict[str, str] = {}
        fds: tuple[int, ...] = ()
        if spec.role == "scheduler":
            extra, fds = {"PUSHGRAD_STATUS_FD": str(self._status.write_fd)}, (self._status.write_fd,)
        try:
            pid, out, err = self._children.start(spec, extra, fds)
        except OSError as error:
            why = f"{spec.argv[0]}: {error.strerror}"
            self._obey(self._supervisor.failed_to_start(spec.name, why, time.monotonic()))
            return
        finally:
            self._status.close_write_end()  # the scheduler is the first to be started and has it now
        self._supervisor.started(spec.name, pid)
        self._output.attach(spec.name, out, err)
        if self._verbose:
            self._say(f"{spec.name} is pid {pid}")

    def _show(self) -> None:
        now = time.monotonic()
        if now >= self._next_view and not self._quiet:
            self._next_view = now + VIEW_PERIOD
            rows = [Row.of(member) for member in self._supervisor.members.values()]
            self._output.show(View(rows, now - self._begin, self._supervisor.waiting))

    def _impatient(self) -> bool:
        """Whether Ctrl-C was pressed since the job has begun to end."""
        self._hurry = self._hurry or signal.SIGINT in self._signals
        return self._hurry

    def _clear_up(self) -> None:
        # Processes first: only when they have ended do their pipes end, too. Then whatever is still to be shown; only
        # a signal that comes after this point gives up a display that blocks.
        self._children.clear_up(self._job.job_id, min(self._job.grace_period, FINISH_WAIT), self._impatient)
        self._signals.clear()
        self._output.close(lambda: bool(self._signals))
        self._selector.close()
        self._status.close()
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._output.say(text)

    def _report(self) -> None:
        """Show the outcome. It is written directly, as the thread that shows output has ended."""
        cause, seconds = self._supervisor.cause, time.monotonic() - self._begin
        if cause is None:
            if not self._quiet:
                self._display.say(f"done in {seconds:.1f} s")
            return
        name = cause.member.spec.name if cause.member else ""
        log = self._output.log_path(name) if name else self._job.log_dir
        errors, output = self._output.tail(name, True), self._output.tail(name, False)
        self._display.say("\n".join(report(cause, seconds, errors, output, log)))
