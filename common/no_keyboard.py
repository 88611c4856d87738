"""What breakpoint() does in a worker that `launch` has started."""

from __future__ import annotations

import os
import sys

from .errors import JobError


def refuse() -> None:
    """Stand in for pdb, which would find the end of the standard input at once: raises JobError with what to do.

    `launch` names this function in PYTHONBREAKPOINT if nothing else is named there.
    """
    caller = sys._getframe(1)
    place = f"{os.path.basename(caller.f_code.co_filename)}:{caller.f_lineno}"  # noqa: PTH119
    raise JobError(
        f"breakpoint() at {place}: worker {os.environ.get('DMLC_WORKER_ID', '')} has no keyboard under `launch`",
        remedy="Debug in one process, without launch: `python train.py`. A debugger that listens on a port works here, "
        "by --env PYTHONBREAKPOINT=remote_pdb.set_trace; --env PYTHONBREAKPOINT=0 passes over all breakpoints",
    )
