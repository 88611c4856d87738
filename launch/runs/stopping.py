"""Ending the job of a run from outside, in the order in which `launch` ends it."""

from __future__ import annotations

import select
import signal

from ...common.errors import JobError
from .identity import held
from .stored import Run


def stop(run: Run) -> Run:
    """Ask the `launch` of a run to end its job, and wait until it has; returns the run as it is then.

    Raises JobError if it does not run, or cannot be asked from here.
    """
    state, launcher = run.state, run.launcher
    if state == "unknown" and launcher:
        raise JobError(
            f"run {run.id} was started on {launcher.host}",
            remedy=f"`ssh {launcher.host} pushgrad stop {run.id}` ends it",
        )
    if state != "running" or launcher is None:
        raise JobError(f"run {run.id} is not running: it is {state}")
    if not run.about.get("stoppable"):
        raise JobError(
            f"run {run.id} belongs to a program that does not take SIGTERM for it (pid {launcher.pid})",
            remedy="End it from there",
        )
    with held(launcher) as handle:
        if handle is not None:
            try:
                signal.pidfd_send_signal(handle, signal.SIGTERM)
            except PermissionError:
                raise JobError(f"run {run.id} is another user's (pid {launcher.pid})") from None
            _wait(run, handle)
    return run.fresh()


def _wait(run: Run, handle: int) -> None:
    """Until its end has been written, or its launcher is gone: a notebook stays."""
    while not run.fresh().end and not select.select([handle], [], [], 0.1)[0]:
        pass
