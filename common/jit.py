"""The one way in which this project compiles a loop: numba, without the GIL, without threads of its own, cached.

Threads belong to the executor: numba's own and OpenBLAS's together spin against each other.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def _choose_cache() -> bool:
    """Point numba at a folder that can be written, so that an installed read-only package is cached all the same."""
    if "NUMBA_CACHE_DIR" in os.environ:
        return True
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for folder in (home / "pushgrad", Path(tempfile.gettempdir()) / f"pushgrad-{os.getuid()}"):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid():
            os.environ["NUMBA_CACHE_DIR"] = str(folder)
            return True
    return False


_CACHED = _choose_cache()


def kernel(function: F) -> F:
    """Compile `function` without fastmath: every operation rounds as numpy's does, and NaN and Inf come through."""
    import numba

    compiled: Any = numba.njit(nogil=True, cache=_CACHED, error_model="numpy")(function)
    return cast(F, compiled)
