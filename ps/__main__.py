"""`python -m pushgrad.ps`: run the scheduler or a server of the job that the environment describes."""

from __future__ import annotations

import os
import sys

from ..common.address import warning_of_names
from ..common.errors import EXIT_FAILURE, EXIT_INTERRUPTED, JobError, PeerLost, PushgradError
from ..common.job import JobEnv
from ..common.open_files import allow_many_files


def main() -> int:
    """Run the role that DMLC_ROLE names and return the exit code.

    Errors that the user can fix, such as the JobError for a missing role, become one line on standard error.
    """
    name = os.environ.get("DMLC_ROLE") or "ps"
    try:
        env = JobEnv.from_env()
        if env is None or env.role == "worker":
            raise JobError(
                "python -m pushgrad.ps",
                expected="DMLC_ROLE=scheduler or DMLC_ROLE=server",
                got="no DMLC_ROLE" if env is None else "DMLC_ROLE=worker",
                remedy="Workers run the training script itself",
            )
        name = env.role if env.rank is None else f"{env.role} {env.rank}"
        allow_many_files()
        return _run(env)
    except PeerLost as lost:
        print(f"pushgrad {name}: {lost}", file=sys.stderr, flush=True)
        return int(lost.code or 0)
    except PushgradError as error:
        print(f"pushgrad {name}: error: {error}", file=sys.stderr, flush=True)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(env: JobEnv) -> int:
    if (warning := warning_of_names(env)) is not None:
        print(f"pushgrad {env.role}: warning: {warning}", file=sys.stderr, flush=True)
    if env.role == "scheduler":
        from .scheduler import run
    else:
        from .server import run
    return run(env)


if __name__ == "__main__":
    sys.exit(main())
