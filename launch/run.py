"""Runs a planned job from the first signal that counts to the folders that are removed at the end."""

from __future__ import annotations

import contextlib
import shutil
import signal
from dataclasses import replace

from ..common.errors import JobError
from .display import Display
from .folders import make_folders
from .held_port import held_port
from .job import Job
from .process_plan import Plan
from .runner import Runner
from .signals import Mailbox
from .surroundings import check_files


def run_job(
    job: Job,
    plan: Plan,
    display: Display,
    *,
    quiet: bool = False,
    verbose: bool = False,
    dashboard: bool = False,
    report: bool = True,
    own_process: bool = False,
) -> int:
    """Run the processes to their end and return the exit code of `launch`.

    `job.run_dir` stays. With `dashboard` a page shows it as long as the job runs. `report` False leaves it to the
    caller to say why the job has failed. `own_process` says that this process does nothing else: it may then take in
    orphans and end itself. Raises JobError if the job's folders cannot be made, or if the system has no room for its
    first processes.
    """
    with (
        Mailbox(own_process) as mailbox,
        held_port(plan.specs) as ready,
        contextlib.ExitStack() as stack,
    ):  # the mailbox first: now a signal ends what is begun
        check_files(len(plan.specs), remote=bool(plan.sites))
        plan = replace(plan, specs=tuple(ready))
        record = make_folders(job, plan, signal.SIGTERM in mailbox.noted)
        try:
            url = stack.enter_context(_dashboard(job)) if dashboard else ""
            runner = Runner(job, plan, display, mailbox, record, quiet, verbose)
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            shutil.rmtree(job.job_dir, ignore_errors=True)
            record.broke(error, 0.0)
            raise JobError(
                f"the system has no room for the job: {error}",
                remedy="Check `ulimit -n`, `ulimit -u` and the limits of the container",
            ) from None
        code = runner.run(url, report)
        shutil.rmtree(job.job_dir, ignore_errors=True)
    return code


def _dashboard(job: Job) -> contextlib.AbstractContextManager[str]:
    from .runs.dashboard import serving

    return serving(job.run_dir)
