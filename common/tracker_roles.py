"""The role of a task that has only a number: dmlc's tracker for Sun Grid Engine starts an array of equal tasks.

Its launcher.py, put before the command, makes roles of the numbers, but takes them to begin at 0. SGE's begin at 1: by
its roles a job would lack a worker.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from .checks import whole_number_in
from .errors import JobError


def tracker_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """DMLC_ROLE of a task of such an array, of which the first ones are workers; {} elsewhere.

    Raises JobError if the variables that it follows from make no sense.
    """
    environ = os.environ if environ is None else environ
    if environ.get("DMLC_JOB_CLUSTER") != "sge" or not environ.get("DMLC_TASK_ID"):
        return {}
    task, workers = (_number(environ, name) for name in ("DMLC_TASK_ID", "DMLC_NUM_WORKER"))
    return {"DMLC_ROLE": "worker" if task <= workers else "server"}


def _number(environ: Mapping[str, str], name: str) -> int:
    number = whole_number_in(environ.get(name, ""), 1)
    if number is None:
        raise JobError(name, expected="a whole number above 0, as DMLC_JOB_CLUSTER is sge", got=repr(environ.get(name)))
    return number
