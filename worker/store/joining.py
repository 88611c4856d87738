"""The session of this process, which the first that asks for it joins to the job that the environment describes."""

from __future__ import annotations

import os
import sys
import threading
import warnings

from ...common.foreign_launcher import foreign_launcher, remedy
from ...common.job import JobEnv
from ...common.mpi_roles import mpi_variables
from ...common.tracker_roles import tracker_variables
from .job_session import JobSession
from .session import Session

_joined: list[Session] = []  # none before somebody asks, then one for the rest of the process
_joining = threading.Lock()


def current_session(alone: bool = False) -> Session:
    """The session of this process; the first call joins the job that the environment describes, if any.

    The processes that an MPI launcher has started become a job, unless this one asks to be `alone`.

    Blocks until the job is complete. In a process whose DMLC_ROLE is server or scheduler it does not return.
    Raises JobError if the job refuses us or does not come about, PeerLost if it is aborted meanwhile.
    """
    with _joining:  # held while joining: a second thread waits for the one session instead of asking for another rank
        if not _joined:
            os.environ.update(tracker_variables())
            if not alone:
                os.environ.update(mpi_variables())
            serve_if_role()  # first: a server or scheduler has no use for what follows
            env = JobEnv.from_env()
            _joined.append(Session() if env is None else JobSession.join(env))
        return _joined[0]


def serve_if_role() -> None:
    """Become the server or scheduler that DMLC_ROLE asks for; returns only if it asks for neither.

    Under a tracker that runs one command for all roles, the script gets here in each of them. The process image is
    replaced, so nothing of the script survives, and `finally` blocks and exit handlers do not run.
    """
    if os.environ.get("DMLC_ROLE") in ("server", "scheduler"):
        sys.stdout.flush()  # execv drops what is buffered
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-P", "-m", "pushgrad.ps"])


def rank() -> int:
    """This worker's rank in the job; 0 outside of one. Joins the job: errors as of `current_session`.

    Warns if another launcher has started several processes, of which each would take itself for the only one.
    """
    return _asked("mx.rank() is 0").rank


def num_workers() -> int:
    """The number of workers in the job; 1 outside of one. Joins the job: errors and warnings as of `rank`."""
    return _asked("mx.num_workers() is 1").num_workers


def _asked(what: str) -> Session:
    session = current_session()
    if not session.is_distributed and (other := foreign_launcher()) is not None:
        text = f"{other} has started {other.size} processes without a job of pushgrad: {what} in each of them. "
        warnings.warn(text + remedy(other.size), stacklevel=3)
    return session
