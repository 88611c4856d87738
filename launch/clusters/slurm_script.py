"""The batch script of `launch --cluster slurm --submit`, as text."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..job import Job

# `launch` takes the batch shell's place (exec), so that it is told of the end two minutes before the time limit (USR1)
# and by scancel (TERM). A job whose node fails is begun anew and writes on in the same file.
DEFAULTS = {"signal": "B:USR1@120", "open-mode": "append", "requeue": ""}
# They would hold for the `launch` inside as well.
NOT_INSIDE = "unset LAUNCH_CONFIG LAUNCH_SUBMIT LAUNCH_SLURM"


def batch_script(job: Job) -> str:
    """The script: sbatch's options, ours by default and those of --slurm, then the same `launch` without --submit."""
    given = job.slurm or {}
    settings = {"job-name": _name(job), **_tasks(job, given), **DEFAULTS, **given}
    if "no-requeue" in settings:
        del settings["requeue"]
    lines = [f"#SBATCH --{key}" + (f"={_quoted(value)}" if value else "") for key, value in settings.items()]
    inside = shlex.join([job.python, "-P", "-m", "pushgrad.launch", *job.arguments])
    return "\n".join(["#!/bin/sh", *lines, NOT_INSIDE, f"exec {inside}", ""])


def _name(job: Job) -> str:
    words = job.command[1:] if job.command[0] == job.python else job.command
    return next(word for word in words if not word.startswith("-")).rpartition("/")[2]


def _tasks(job: Job, given: Mapping[str, str]) -> dict[str, str]:
    """A task for each worker, unless the user says how many."""
    said = any(key.startswith("ntasks") or key in ("exclusive", "cpus-per-gpu") for key in given)
    return {} if said else {"ntasks": str(job.workers)}


def _quoted(value: str) -> str:
    """As sbatch reads it: quotes keep spaces together, and a backslash takes the next character as it is."""
    if not set(value) & set(" \t\"'\\#"):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
