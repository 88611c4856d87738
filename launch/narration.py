"""What launch itself says about a job: its first line, what is waited for, what happens, and how it ended."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from .display import Display, PlainDisplay
from .job import Job
from .output import Output
from .process_plan import count
from .report import report, what_happened
from .restarts import Restarts
from .state import Cause
from .status_reader import Event
from .supervisor import Supervisor
from .waiting import Waits

LAST_WORDS = 1.0  # seconds for the outcome of a job whose output nobody reads
# "server 1: fit 1 step 2 waits for worker 0, 10 s": every server says so, again and again, with another time.
_WHO, _HOW_LONG = re.compile(r"^server \d+: "), re.compile(r"[ ,]*\(?\d+ s\)?$")


class Narration:
    """Says it through `output` while the job runs, and by `finish` when the output's thread has ended."""

    def __init__(self, job: Job, output: Output, quiet: bool, verbose: bool) -> None:
        self._job, self._output = job, output
        self._quiet, self._verbose = quiet, verbose
        self._begin = time.monotonic()
        self._pending = Waits(job.grace_period)
        self._waits: dict[str, None] = {}  # what has been said already

    @property
    def seconds(self) -> float:
        """The age of the job."""
        return time.monotonic() - self._begin

    def headline(self, dashboard: str = "") -> None:
        """What is started, where its logs are, and the URL of its page, if it has one."""
        job = self._job
        counts = f"{count(job.workers, 'worker')}, {count(job.servers, 'server')}"
        self.say(f"job {job.job_id}: {counts}; logs in {job.run_dir}")
        if dashboard:
            self.say(f"dashboard: {dashboard}")

    def restart(self, cause: Cause, restarts: Restarts) -> None:
        """What has died, and where the job goes on."""
        left = restarts.left(time.monotonic())
        self.say(
            f"{what_happened(cause, self.seconds)}; the job goes on {restarts.where}, as generation "
            f"{restarts.generation}; {count(left, 'restart')} left"
        )

    def say(self, text: str) -> None:
        """Say something, unless launch is to be quiet."""
        if not self._quiet:
            self._output.say(text)

    def waits(self, job: Supervisor, now: float) -> None:
        """Say what the job waits for, if it takes long."""
        news = self._pending.news(list(job.members.values()), job.port is not None, job.stopping, now)
        if news is not None:
            self.say(news)

    def detail(self, text: str) -> None:
        """Say something for --verbose."""
        if self._verbose:
            self.say(text)

    def event(self, event: Event) -> bool:
        """Tell of what the scheduler has said, unless it has been told; returns whether it is news.

        A wait is news once, whoever reports it and however often.
        """
        if event["event"] == "waiting":
            text = _WHO.sub("", str(event.get("text")))
            what = _HOW_LONG.sub("", text)
            if what in self._waits:
                return False
            self._waits[what] = None
            while len(self._waits) > 1000:
                del self._waits[next(iter(self._waits))]
            self.say(text)
        elif event["event"] not in ("progress", "traffic"):
            self.detail(" ".join(f"{name}={value}" for name, value in event.items()))
        return True

    def finish(self, cause: Cause | None, display: Display, restarts: Restarts) -> None:
        """Show the outcome, and how the job could still go on.

        It is written directly, as the thread that shows output has ended.

        If it has not, as nobody reads the output, the outcome gets a moment: standard error may be another stream.
        """
        text = self._outcome(cause)
        if cause is not None and restarts.place:
            text += f"\n`launch --resume auto` with the same script goes on {restarts.where}"
        if text and self._output.blocked:
            attempt = threading.Thread(target=_guarded, args=(PlainDisplay(), text), daemon=True)
            attempt.start()
            attempt.join(LAST_WORDS)
        elif text:
            _guarded(display, text)

    def _outcome(self, cause: Cause | None) -> str:
        if cause is None:
            return "" if self._quiet else f"done in {self.seconds:.1f} s"
        name = cause.member.spec.name if cause.member else ""
        log = self._output.log_path(name) if name else self._job.run_dir
        errors, output = self._output.tail(name, True), self._output.tail(name, False)
        return "\n".join(report(cause, self.seconds, errors, output, log))


def _guarded(display: Display, text: str) -> None:
    """A display that fails must not cost the exit code."""
    attempts: list[Callable[[str], None]] = [display.say, lambda line: PlainDisplay().say(line)]
    for attempt in attempts:
        try:
            attempt(text)
        except Exception:  # whatever a terminal, or a notebook's stream, may raise
            continue
        return
