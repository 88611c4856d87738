"""The one way in which this project compiles a loop: by numba, without the GIL, single-threaded, cached on disk.

Threads belong to the executor. numba's own threads and OpenBLAS's both spin while they wait, and take the cores from
each other.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def _choose_cache() -> bool:
    """Choose a writable folder for numba's cache; False if there is none.

    By default numba writes beside the source, which fails where the package is installed read-only: every process of a
    job would then compile everything again.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return True
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for folder in (home / "pushgrad", Path(tempfile.gettempdir()) / f"pushgrad-{os.getuid()}"):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        # Only a folder of our own: numba loads machine code from it, and anybody may make a folder in /tmp.
        if os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid():
            os.environ["NUMBA_CACHE_DIR"] = str(folder)
            return True
    return False


_CACHED = _choose_cache()  # at import, so that NUMBA_CACHE_DIR is set before `kernel` imports numba


def kernel(function: F) -> F:
    """Decorator: compile `function` on its first call for each combination of argument types.

    There is no fastmath: every operation rounds as numpy's does, so that results equal the plain numpy version bit for
    bit, and NaN and Inf are kept, so that they can be found. Division by zero raises nothing, as in numpy.
    """
    import numba

    compiled: Any = numba.njit(nogil=True, cache=_CACHED, error_model="numpy")(function)
    return cast(F, compiled)
