"""Which progress bar a fit shows, if any."""

from __future__ import annotations

import os
import sys

from ...common.cell import shell
from ..store.session import Session
from . import progress_bar
from .callback import ProgressBar
from .cell_bar import CellBar
from .fit_callbacks import FitCallbacks
from .progress_bar import TerminalBar, TrainingBar


def wanted(callbacks: FitCallbacks, session: Session) -> type[TrainingBar] | None:
    """What shows this fit to a user who looks at a terminal or a notebook, and at no bar yet; None if nobody does.

    `verbose="r"` is for lines alone. A job's workers write lines: Open MPI gives rank 0 a terminal whatever its own
    output is.
    """
    own = any(isinstance(callback, ProgressBar) for callback in (*callbacks.batch_end, *callbacks.epoch_end))
    if callbacks.verbose is not True or session.num_workers > 1 or own or progress_bar.shown:
        return None
    if shell() is not None:
        return CellBar
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return TerminalBar if is_terminal and os.environ.get("TERM", "dumb") not in ("dumb", "unknown") else None
