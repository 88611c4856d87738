"""From the options that a user has given to a Job. Every refusal names the option and, where there is one, a remedy."""

from __future__ import annotations

import math
import os
import secrets
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from ..common.errors import JobError, ParameterError
from ..common.job import start_timeout as start_timeout_in
from ..common.snapshot_interval import Interval
from ..common.snapshot_names import EVERY, FAILURE, RESUME, WHERE
from ..common.tracker_roles import tracker_variables
from .clusters.engine import check_options, engine
from .clusters.pairs import pairs
from .given import Options
from .gpus import parse_range
from .job import ROLE, Job
from .process_plan import OWNED
from .runs.place import check_writable, runs_folder
from .runs.snapshots import settings
from .script import worker_command
from .surroundings import check_folder, short_temp_folder
from .team import team

PATIENT = {"PUSHGRAD_START_TIMEOUT": "600"}  # images are fetched, and machines may be made


def make_job(options: Options, environ: Mapping[str, str] | None = None) -> Job:
    """Check the options and make a Job of them; nothing is created yet.

    `environ` takes the place of this process's environment. Raises JobError naming the option that cannot be met.
    """
    environ = os.environ if environ is None else environ
    environ = {**environ, **tracker_variables(environ)} if options.cluster == "env" else environ
    _check_platform()
    check_folder()
    cluster = engine(options.cluster)
    check_options(options.cluster, cluster, vars(options))
    env = parse_env(options.env) | _fit_options(options)
    in_images = cluster.in_images
    python = options.python or ("python" if in_images else sys.executable)
    together = team(options, env, environ)
    sync = Path(options.script).absolute().parent if options.sync else None
    places = _places(options.runs, environ)
    command = _command(options, python)
    workdir = Path(options.workdir) if options.workdir else sync or (Path() if in_images else Path.cwd())
    # Within a worker of another job, the variables around are about that one's snapshots.
    asked = env if environ.get("PUSHGRAD_JOB_ID") else {**environ, **env}
    kept = settings(asked, places["run_dir"], command, workdir) if cluster.restarts else {}
    job = Job(
        command=command,
        python=python,
        env=env,
        snapshots=kept,
        keeps_snapshots=any(asked.get(name) for name in (EVERY, WHERE, RESUME)),
        timeout=None if options.timeout is None else _seconds("--timeout", options.timeout),
        start_timeout=_start_timeout(options.start_timeout, env, PATIENT if in_images else environ),
        grace_period=_seconds("--grace-period", options.grace_period, zero=True),
        max_restarts=_restarts(options.max_restarts, kept.get(EVERY) == "off"),
        separate_logs=options.separate_logs,
        workdir=workdir,
        sync=sync,
        mpirun=_words("--mpirun", options.mpirun or "mpirun"),
        surroundings=environ if options.cluster == "env" else {},
        slurm=pairs("--slurm", options.slurm) if options.submit else None,
        kubernetes={"name": f"pushgrad-{places['job_id']}", **pairs("--kubernetes", options.kubernetes)},
        no_jobset=options.no_jobset,
        address=options.address or environ.get("RAY_ADDRESS") or "auto",
        ray=pairs("--ray", options.ray),
        **together,
        **places,
    )
    return job if python == sys.executable else replace(job, role_command=(python, *ROLE))


def _fit_options(options: Options) -> dict[str, str]:
    """What options say of every fit of the script, as variables; the workers check the others."""
    try:
        Interval.parse(options.snapshot or "off", "--snapshot")
    except ParameterError as error:
        raise JobError(str(error)) from None
    given = {
        EVERY: options.snapshot,
        RESUME: options.resume,
        FAILURE: options.on_snapshot_failure,
        "PUSHGRAD_ON_NAN": options.on_nan,
    }
    return {name: value for name, value in given.items() if value is not None}


def _command(options: Options, python: str) -> tuple[str, ...]:
    if options.sync and options.module:
        raise JobError("--sync copies the folder of a script, and --module names none", remedy="Leave one of them out")
    command = worker_command(options.script, options.module, python)
    if options.sync and Path(options.script).exists():  # the script's folder is the processes' own there
        command = (*command[:-1], f".{os.sep}{Path(options.script).name}")
    return (*command, *options.args)


class _Places(TypedDict):
    job_id: str
    job_dir: Path
    run_dir: Path


def _places(runs: str | None, environ: Mapping[str, str]) -> _Places:
    """A new job's name and folders."""
    job_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    folder = runs_folder(runs, environ)
    check_writable(runs, folder)
    return {"job_id": job_id, "job_dir": short_temp_folder() / f"pushgrad-{job_id}", "run_dir": folder / job_id}


def _start_timeout(given: float | None, added: Mapping[str, str], environ: Mapping[str, str]) -> float:
    """The option, else the variable that every process reads, from --env or from our own environment; else 60 s."""
    if given is None:
        return start_timeout_in({**environ, **added})
    if "PUSHGRAD_START_TIMEOUT" in added:
        raise JobError(
            "--start-timeout and --env PUSHGRAD_START_TIMEOUT contradict each other", remedy="Use one of them"
        )
    return _seconds("--start-timeout", given)


def parse_ranks(text: str, count: int, option: str = "--ranks", role: str = "worker") -> frozenset[int]:
    """The ranks of `0,2` or `0-3`. Raises JobError if they are malformed, or not among those of so many processes."""
    ranks: set[int] = set()
    for entry in text.split(","):
        numbers = parse_range(entry.strip())
        if numbers is None:
            raise JobError(option, expected="ranks between commas, such as 0,2 or 0-3", got=repr(text))
        if numbers[-1] >= count:
            raise JobError(option, expected=f"ranks of the job's {role}s, 0 to {count - 1}", got=numbers[-1])
        ranks.update(numbers)
    return frozenset(ranks)


def parse_env(settings: Sequence[str]) -> dict[str, str]:
    """The `NAME=VALUE` strings of --env as a dict. Raises JobError for a malformed one and for a name in OWNED."""
    env: dict[str, str] = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign or not name or "\0" in setting:
            # The value may be a secret that lost its name: it is not repeated.
            raise JobError("--env", expected="NAME=VALUE", got=repr(name) if sign else "no '='")
        if name in OWNED:
            raise JobError(f"--env {name}: `launch` sets {name} itself for every process", remedy="Leave it out")
        env[name] = value
    return env


def _check_platform() -> None:
    if not sys.platform.startswith("linux"):
        raise JobError(
            f"`launch` needs Linux, this is {sys.platform}",
            remedy="`python train.py` trains in one process on this system",
        )


def _restarts(given: int | None, without_snapshots: bool) -> int | None:
    if given is not None and given < 0:
        raise JobError("--max-restarts", expected="0 or more", got=given)
    return 0 if given is None and without_snapshots else given


def _words(option: str, text: str) -> tuple[str, ...]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise JobError(f"{option}: {error}", got=repr(text)) from None
    if not words:
        raise JobError(option, expected="a command", got=repr(text))
    return tuple(words)


def _seconds(option: str, value: float, zero: bool = False) -> float:
    if not (math.isfinite(value) and 0 <= value < 1e9) or (value == 0 and not zero):
        raise JobError(option, expected=f"a number of seconds, {'0 or more' if zero else 'above 0'}", got=value)
    return value
