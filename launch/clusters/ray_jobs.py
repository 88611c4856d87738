"""Submitting `launch` as a job of Ray's, and following it: its output, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import shlex
import sys
import time
from typing import TYPE_CHECKING, Any

from ...common.errors import EXIT_FAILURE, EXIT_INTERRUPTED, JobError
from ..config import is_secret

if TYPE_CHECKING:
    from ..display import Display
    from ..job import Job

PERIOD = 1.0  # seconds between two looks at a job whose output has ended
# Ray ends a job by SIGTERM, and kills it after 3 s, unless these say otherwise. `launch` ends within a grace period.
SIGNAL, WAITING, CLEARING_UP = "RAY_JOB_STOP_SIGNAL", "RAY_JOB_STOP_WAIT_TIME_S", 15
# What a shell has started in the background ignores SIGINT, and so does all that it starts, as a Ray may.
HEARING = ("env", "--default-signal=INT")


def entrypoint(job: Job) -> tuple[str, ...]:
    """The command that Ray runs on the cluster: the same `launch`, which finds Ray around it."""
    folder = () if job.sync else ("env", "-C", str(job.workdir))  # what is copied is where Ray starts it
    return (*folder, job.python, "-P", "-m", "pushgrad.launch", *job.arguments)


def submit(job: Job, display: Display, quiet: bool = False) -> int:
    """Submit the job, follow it to its end and return its exit code. Ctrl-C stops it.

    Raises JobError in Ray's words if it cannot be reached or refuses the job.
    """
    if hidden := [name for name in job.env if is_secret(name)]:
        raise JobError(
            f"--env {hidden[0]}: Ray shows everybody what it is asked to run",
            remedy="Set it where the nodes of the cluster are started",
        )
    client, name = _submitted(job)
    if not quiet:
        display.say(f"Ray job {name} is submitted")
    following = Following(client, name)
    try:
        info = following.to_the_end()
    except KeyboardInterrupt:
        client.stop_job(name)
        following.to_the_end()
        return EXIT_INTERRUPTED
    if info.driver_exit_code is None and info.status != "SUCCEEDED":
        display.say(f"Ray job {name}: {info.status}: {info.message}")
    return exit_code(info)


def _submitted(job: Job) -> tuple[Any, str]:
    from ray.job_submission import JobSubmissionClient

    variables = {SIGNAL: "SIGINT", WAITING: f"{job.grace_period + CLEARING_UP:.0f}"}
    environment: dict[str, Any] = {"env_vars": variables}
    environment |= {"working_dir": str(job.sync)} if job.sync else {}
    try:
        client = JobSubmissionClient(job.address)
        logging.getLogger(JobSubmissionClient.__module__).setLevel(logging.WARNING)
        command = shlex.join((*HEARING, *entrypoint(job)))
        name = client.submit_job(entrypoint=command, submission_id=f"pushgrad-{job.job_id}", runtime_env=environment)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise JobError(f"Ray at {job.address}: {' '.join(str(error).split())}") from None
    return client, name


def exit_code(info: Any) -> int:
    """That of `launch` there; 128+n if signal n has ended it, and 1 of a job that has failed without one."""
    if info.status == "SUCCEEDED":
        return 0
    code = int(info.driver_exit_code or EXIT_FAILURE)
    return code if code > 0 else 128 - code


class Following:
    """A submitted job. Ray tells its output from the beginning each time; what has been shown is not shown again."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name
        self._shown = 0  # characters

    def to_the_end(self) -> Any:
        """Show the job's output; returns what Ray knows of it when it has ended."""
        asyncio.run(self._show())
        while not (info := self._client.get_job_info(self._name)).status.is_terminal():
            time.sleep(PERIOD)
        return info

    async def _show(self) -> None:
        told = 0
        async for text in self._client.tail_job_logs(self._name):
            sys.stdout.write(text[max(0, self._shown - told) :])
            sys.stdout.flush()
            told += len(text)
            self._shown = max(self._shown, told)
