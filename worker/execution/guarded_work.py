"""Work on one of several threads that wait for each other: after an error in one, the others must not wait for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np


def quiet(work: Callable[[], None]) -> None:
    """Run `work`, in which infinity and NaN are results like others, as on a GPU and in compiled loops.

    numpy alone would warn of them.
    """
    with np.errstate(all="ignore"):
        work()


def guarded(work: Callable[[], None], release: Callable[[], None]) -> None:
    """Run `work` on one of several threads; if it fails, `release` the threads that wait for this one.

    Those end quietly, so that the error which is raised is the cause and not one of its consequences.
    """
    try:
        work()
    except threading.BrokenBarrierError:
        return
    except BaseException:
        release()
        raise
