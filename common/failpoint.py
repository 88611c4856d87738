"""Failpoints: places where tests have a process killed, or an operation fail, by PUSHGRAD_FAILPOINTS.

    PUSHGRAD_FAILPOINTS="file.rename=kill@2 file.write=ENOSPC"

kills the process with SIGKILL when it comes to file.rename for the second time, and makes every file.write fail as on a
full disk.
"""

from __future__ import annotations

import errno
import os
import signal
from collections import Counter

_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Do what the environment asks for at this place: usually nothing. Raises OSError for the name of an errno."""
    text = os.environ.get("PUSHGRAD_FAILPOINTS")
    if not text:
        return
    _passed[name] += 1
    for entry in text.split():
        place, _, rest = entry.partition("=")
        action, _, time = rest.partition("@")
        if place != name or (time and int(time) != _passed[name]):
            continue
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, action)
        raise OSError(number, os.strerror(number))
