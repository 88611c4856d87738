"""The folders of a job: what it needs while it runs, and the run that stays of it."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from ..common.errors import JobError
from ..common.function_file import leave
from ..common.snapshot_names import WHERE
from .job import Job
from .process_plan import Plan
from .runs.identity import Identity
from .runs.record import Recorder
from .runs.snapshots import FOLDER


def make_folders(job: Job, plan: Plan, stoppable: bool) -> Recorder:
    """Make them, and begin the run; `stoppable` as for Recorder. Raises JobError naming what cannot be made."""
    try:
        # Not exist_ok: a folder that somebody else has made in /tmp could be read, or full of links.
        job.job_dir.mkdir(mode=0o700)
    except OSError as error:
        raise JobError(f"cannot make the folder {error.filename} for the job: {error.strerror}") from None
    try:
        if job.function:
            leave(job.job_dir, job.function)
        record = Recorder(job, plan, Identity.of(os.getpid()), stoppable)
        kept = job.run_dir / FOLDER
        if Path(job.snapshots.get(WHERE, kept)) != kept:
            kept.symlink_to(job.snapshots[WHERE])
        return record
    except OSError as error:
        shutil.rmtree(job.job_dir, ignore_errors=True)
        raise JobError(
            f"cannot make {error.filename or job.run_dir} for the job's run: {error.strerror}",
            remedy="--runs names another folder for runs",
        ) from None


def keep(job: Job, name: str) -> None:
    """Move a file that a worker of this host has left, if it has, to the run: the job's folder is removed.

    A disk that is full costs the file, and never the job.
    """
    left = job.job_dir / name
    if left.exists():
        with contextlib.suppress(OSError):
            shutil.move(left, job.run_dir / name)
