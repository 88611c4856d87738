"""`mx.run`: starting a job from Python, as a notebook does."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from ..common.cell import shell
from ..common.errors import JobError
from ..common.function_file import CALL, name_of, packed
from . import cell, cli
from .clusters.engine import Engine, engine
from .display import Display, PlainDisplay
from .job import Job
from .keywords import words
from .outcome import Outcome, failure, outcome
from .process_plan import Plan
from .runs.stored import Run

Setting = Mapping[str, object] | Sequence[str] | str


def run(
    what: str | os.PathLike[str] | Callable[..., Any],
    /,
    *args: object,
    workers: int | None = None,
    servers: int | None = None,
    cluster: str = "local",
    gpus: str | Sequence[int | str] | None = None,
    hostfile: str | os.PathLike[str] | None = None,
    env: Setting | None = None,
    runs: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Outcome:
    """Run a script, or call a function, with `args` on each worker of a job, as `launch` does, and wait for the end.

    All options of `launch` may be given, with underscores: `workers=2, gpus=[0, 1], grace_period=5, dashboard=True`;
    `workers` defaults to the number of `gpus`, or 1, and `env` may be a dict. Output appears line by line after the
    name of its process; in a notebook a table of the processes changes below it.

    A function may be one of the notebook or of a script, with what it uses from there; it is sent by cloudpickle (the
    extra `notebook`). What it returns comes back in the outcome's `values`, by rank: None, numbers, texts, bytes, numpy
    arrays, and lists, tuples and dicts of them. The files of the run are in the outcome's `folder`.

    Raises JobError naming the option that cannot be met, JobFailed with the worker's traceback if the job fails, and
    KeyboardInterrupt when a Ctrl-C, or the notebook's stop button, has ended the job.
    """
    given = {"workers": workers, "servers": servers, "cluster": cluster, "gpus": gpus, "hostfile": hostfile}
    context = _context(what, args, {**given, "env": env, "runs": runs, **options})
    job, told = cli.planned(context)
    if callable(what):
        job = replace(job, function=packed(what, args))
    chosen = engine(context.params["cluster"])
    plan = chosen.plan(job)
    if callable(what):
        _check_reach(cluster, chosen, job, plan)
    return _end(job, cli.run_shown(context, job, plan, told, _display(job), report=False))


def _context(what: object, args: Sequence[object], options: Mapping[str, Any]) -> click.Context:
    """The command line that says the same."""
    line = words(cli.command, options)
    if callable(what):
        line += ["--module", CALL, name_of(what)]
    elif isinstance(what, str | os.PathLike):
        line += ["--", os.fspath(what), *map(str, args)]
    else:
        raise JobError("mx.run", expected="a script or a function", got=type(what).__name__)
    try:
        return cli.command.make_context("launch", line)
    except click.ClickException as error:
        raise JobError(error.format_message()) from None


def _check_reach(cluster: str, chosen: Engine, job: Job, plan: Plan) -> None:
    """A function goes where this process starts the workers itself, or by agents of its own."""
    if chosen.in_images or job.slurm is not None or plan.partial:
        raise JobError(
            f"a function cannot be sent to workers that {'sbatch' if job.slurm is not None else cluster} starts",
            remedy='Write it into a script: mx.run("train.py", ...)',
        )


def _display(job: Job) -> Display:
    return cell.CellDisplay(job.job_id) if shell() is not None else PlainDisplay()


def _end(job: Job, code: int) -> Outcome:
    """What `run` returns or raises when `launch` would end with `code`."""
    ended = Run.load(job.run_dir)
    if ended is None:  # somebody else runs it and has its run, as a batch system
        if code:
            raise JobError(f"the job has ended with code {code}")
        return Outcome(job.job_id, job.run_dir, 0.0)
    if code == 0:
        return outcome(ended)
    if ended.state == "stopped":
        signum = code - 128
        if signum == signal.SIGINT:
            raise KeyboardInterrupt
        signal.raise_signal(signum)  # it was for this process: the job has only ended first
    raise failure(ended)
