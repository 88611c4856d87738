"""What a user should know before a job begins, though nothing is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

from ..common.cores import available_cores
from ..common.foreign_launcher import foreign_launcher
from .job import Job
from .process_plan import count, inherited
from .script import another_interpreter


def notes(job: Job, environ: Mapping[str, str]) -> list[str]:
    """Lines about the job as `launch`'s environment `environ` will run it; it asks a Python that the job names."""
    told = []
    cores = available_cores()
    if job.workers > cores:
        told.append(
            f"{job.workers} workers share {count(cores, 'core')} of this machine and take turns on them: "
            f"more than --workers {cores} makes no step faster"
        )
    other = foreign_launcher(environ)
    if other is not None:
        told.append(
            f"{other} has started {other.size} processes such as this one, and each launch starts a job of its own: "
            f"{other.size} models are trained. One `launch --workers N` outside of it trains one"
        )
    interpreter = another_interpreter(job.command, {**inherited(environ), **job.env})
    if interpreter is not None:
        told.append(interpreter)
    return told
