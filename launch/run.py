"""Runs a planned job: makes its folders, has a Runner run each generation of it, and says how it has ended."""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections.abc import Callable, Iterator

from ..common.errors import JobError
from ..common.function_file import leave
from .display import Display
from .folders import make_folders
from .held_port import held_port
from .job import Job
from .narration import Narration
from .output import Output
from .process_plan import Plan
from .restarts import Restarts
from .runner import Runner
from .runs.record import Recorder
from .runs.snapshots import FOLDER
from .signals import Mailbox
from .spare import Spare
from .stage import Stage
from .state import Cause
from .surroundings import check_files

Planner = Callable[[Job], Plan]


def run_job(
    job: Job,
    plan: Plan,
    display: Display,
    *,
    planner: Planner | None = None,
    quiet: bool = False,
    verbose: bool = False,
    dashboard: bool = False,
    report: bool = True,
    own_process: bool = False,
) -> int:
    """Run the processes to their end and return the exit code of `launch`.

    `planner` plans further generations of the job; without it there are none. `job.run_dir` stays. With `dashboard` a
    page shows it as long as the job runs. `report` False leaves it to the caller to say why the job has failed.
    `own_process` says that this process does nothing else: it may then take in orphans and end itself. Raises JobError
    if the job's folders cannot be made, or if the system has no room for its first processes.
    """
    with (
        Mailbox(own_process) as mailbox,
        held_port(plan.specs) as filled,
        contextlib.ExitStack() as stack,
    ):  # the mailbox first: now a signal ends what is begun
        check_files(len(plan.specs), remote=bool(plan.sites))
        record = make_folders(job, plan, signal.SIGTERM in mailbox.noted)
        with _room(job, record):
            url = stack.enter_context(_dashboard(job)) if dashboard else ""
            output = Output(display, job.run_dir, job.separate_logs)
        narration = Narration(job, output, quiet, verbose)
        restarts = Restarts(job.max_restarts, possible=planner is not None)
        # What is forked for us comes to us only if we are the subreaper (orphans.py).
        spare = stack.enter_context(contextlib.closing(Spare())) if own_process and restarts.most else None
        stage = Stage(output, narration, mailbox, record, restarts, time.monotonic(), quiet, spare)
        narration.headline(url)
        try:
            cause = _generations(job, filled(plan), lambda later: filled(planner(later) if planner else plan), stage)
        except BaseException as error:
            record.broke(error)
            raise
        finally:
            # Whatever is still to be shown. Only a signal that comes after this point gives up a display that blocks.
            mailbox.received.clear()
            output.close(lambda: bool(mailbox.received))
        if cause is None and not job.keeps_snapshots:
            shutil.rmtree(job.run_dir / FOLDER, ignore_errors=True)
        record.end(cause, narration.seconds)
        if report or cause is None:
            narration.finish(cause, output.display, restarts)
    return 0 if cause is None else cause.code


def _generations(job: Job, plan: Plan, planner: Planner, stage: Stage) -> Cause | None:
    """Run the job, and again, as `planner` says, as long as a process of it dies and it may.

    Returns why it has failed in the end.
    """
    while True:
        with _room(job, stage.record):
            runner = Runner(job, plan, stage)
        try:
            cause = runner.run()
        finally:
            shutil.rmtree(job.job_dir, ignore_errors=True)
        if cause is None or not runner.again:
            return cause
        stage.narration.restart(cause, stage.restarts)
        stage.record.restart(cause, stage.restarts)
        job = job.again(runner.port)
        plan = planner(job)
        with _room(job, stage.record):
            job.job_dir.mkdir(mode=0o700)
            if job.function:
                leave(job.job_dir, job.function)


@contextlib.contextmanager
def _room(job: Job, record: Recorder) -> Iterator[None]:
    """Around what needs files, processes or threads: JobError if the system has no room for them."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
        shutil.rmtree(job.job_dir, ignore_errors=True)
        record.broke(error)
        raise JobError(
            f"the system has no room for the job: {error}",
            remedy="Check `ulimit -n`, `ulimit -u` and the limits of the container",
        ) from None


def _dashboard(job: Job) -> contextlib.AbstractContextManager[str]:
    from .runs.dashboard import serving

    return serving(job.run_dir)
