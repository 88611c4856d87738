"""`mx.run`: starting a job from Python, as a notebook does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from .clusters.engine import engine
from .display import PlainDisplay
from .given import Options
from .options import make_job


def run(
    script: str | os.PathLike[str],
    *args: object,
    workers: int | None = None,
    servers: int = 1,
    gpus: str | Sequence[int | str] | None = None,
    env: Mapping[str, str] | None = None,
    log_dir: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
    start_timeout: float | None = None,
    grace_period: float = 30.0,
    max_restarts: int | None = None,
    snapshot: str | None = None,
    resume: str | os.PathLike[str] | None = None,
) -> int:
    """Run `script` with `args` as a job, as `launch` does, and return its exit code, 0 only if every worker's is 0.

    `workers` defaults to the number of `gpus`, or 1; `gpus` is a list such as [0, 1] or the text "0,1", "0-3"
    or "all". Times are in seconds. `max_restarts`, `snapshot` and `resume` are those of `launch`. Output goes to
    sys.stdout and sys.stderr, line by line after the name of its process. Raises JobError naming the option that cannot
    be met.
    """
    options = Options(
        os.fspath(script),
        [str(argument) for argument in args],
        workers=workers,
        servers=servers,
        gpus=gpus if gpus is None or isinstance(gpus, str) else ",".join(map(str, gpus)),
        env=[f"{name}={value}" for name, value in (env or {}).items()],
        runs=None if log_dir is None else os.fspath(log_dir),
        timeout=timeout,
        start_timeout=start_timeout,
        grace_period=grace_period,
        max_restarts=max_restarts,
        snapshot=snapshot,
        resume=None if resume is None else os.fspath(resume),
    )
    job = make_job(options)
    local = engine("local")
    return local.run(job, local.plan(job), PlainDisplay())
