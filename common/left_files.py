"""Files that workers leave in the job's folder for `launch`, which keeps them with the run; and one for the workers."""

from __future__ import annotations

NETWORK = "network.svg"  # the picture of the network whose training began last
# For the workers, before their SIGTERM: a process has died and the job ends with it, so that no step can be completed.
DEATH = "death"


def result_file(name: str) -> str:
    """What has come of a function on process `name` (w0); results.py has what is in it."""
    return f"{name}.result"


def left_mark(name: str) -> str:
    """Is there when worker `name` has left the job, whether the scheduler has answered or not."""
    return f"{name}.left"
