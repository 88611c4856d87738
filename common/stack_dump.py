"""Where a process of a job stands: on DUMP_SIGNAL it prints the Python frames of all its threads on standard error.

Python's faulthandler does it, in C and without the GIL, so that it also works while a computation or a wait in a
library keeps everything else from running. launch/stacks.py sends the signal.
"""

from __future__ import annotations

import contextlib
import signal

# A real-time signal: scripts use the others themselves. None where there are no such signals.
DUMP_SIGNAL: int | None = signal.SIGRTMIN + 9 if hasattr(signal, "SIGRTMIN") else None


def print_stacks_on_signal() -> None:
    """Make this process ready for DUMP_SIGNAL, unless somebody uses it already."""
    import faulthandler

    if DUMP_SIGNAL is not None and signal.getsignal(DUMP_SIGNAL) == signal.SIG_DFL:
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            faulthandler.register(DUMP_SIGNAL, file=2, all_threads=True)
