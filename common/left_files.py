"""Files that workers leave in the job's folder for `launch`, which keeps them with the run."""

from __future__ import annotations

NETWORK = "network.svg"  # the picture of the network whose training began last


def result_file(name: str) -> str:
    """What has come of a function on process `name` (w0); results.py has what is in it."""
    return f"{name}.result"
