"""The one way in which this project compiles a loop: by numba, without the GIL, single-threaded, cached on disk.

Threads belong to the executor. numba's own threads and OpenBLAS's both spin while they wait, and take the cores from
each other.
"""

from __future__ import annotations

import os
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

from . import compiling

KERNELS = ("common", "ps", "worker/cpu")  # where those are that others call

F = TypeVar("F", bound=Callable[..., Any])

_naming, _defining = threading.Lock(), threading.RLock()
to_define: list[Callable[[], None]] = []  # what tells the linker of functions that kernels call by name


def define() -> None:
    """Tell the linker of such functions: needed before code is loaded, or made, that calls one."""
    with _defining:
        while to_define:
            to_define.pop()()


@lru_cache(maxsize=1)
def cache_folder() -> str | None:
    """The folder for compiled kernels: NUMBA_CACHE_DIR, or one that can be written; None if there is none.

    By default numba writes beside the source, which fails where the package is installed read-only: every process of a
    job would then compile everything again.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return os.environ["NUMBA_CACHE_DIR"]
    for place in (_home_folder, _temporary_folder):
        try:
            folder = place()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (OSError, RuntimeError):  # RuntimeError: a user without a home, and perhaps without a name
            continue
        if _is_ours(folder):
            return str(folder)
    return None


def _is_ours(folder: Path) -> bool:
    """Whether nobody else has made the folder or can write there: numba runs what it finds in it.

    A link is as good as a folder if it is ours as well: in /tmp, anybody may lay one.
    """
    ours = os.getuid()
    made, status = folder.lstat(), folder.stat()
    return (made.st_uid, status.st_uid) == (ours, ours) and not status.st_mode & 0o022 and os.access(folder, os.W_OK)


def _home_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pushgrad"


def _temporary_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"pushgrad-{os.getuid()}"


def kernel(function: F) -> F:
    """Decorator: compile `function` on its first call for each combination of argument types.

    There is no fastmath: every operation rounds as numpy's does, so that results equal the plain numpy version bit for
    bit, and NaN and Inf are kept, so that they can be found. Division by zero raises nothing, as in numpy.
    """
    import numba

    compiling.listen()
    folder = cache_folder()
    compiled: Any = numba.njit(nogil=True, error_model="numpy")(function)
    if folder is not None:
        with _cached_in(folder):
            compiled._cache = _cache_type()(function)  # as cache=True does, but for the type
    return cast(F, compiled)


@lru_cache(maxsize=1)
def _cache_type() -> Any:
    """numba's cache, without what numba loads before it looks there, and emptied when any of our sources changes.

    The former is all that numba knows of Python and numpy: a third of what a process costs until its first kernel runs,
    and only the compiler needs it, which loads it by itself. Compiled code needs no more than numba's runtime, by
    address: so it is from numba 0.60 to 0.68. As to the latter, numba looks at a kernel's own file alone, but kernels
    hold what they call, or call it by name with arguments that both must see alike.
    """
    from numba.core.caching import FunctionCache, IndexDataCacheFile
    from numba.core.runtime.nrt import rtsys

    class Cache(FunctionCache):
        def __init__(self, function: Any) -> None:
            super().__init__(function)  # type: ignore[no-untyped-call]
            this: Any = self  # numba's methods have no annotations
            stamp = (this._impl.locator.get_source_stamp(), sources_stamp())
            this._cache_file = IndexDataCacheFile(this._cache_path, this._impl.filename_base, stamp)  # type: ignore[no-untyped-call]

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            this: Any = self
            rtsys.initialize(target_context)
            define()
            with this._guard_against_spurious_io_errors():
                return this._load_overload(sig, target_context)

    return Cache


@lru_cache(maxsize=1)
def sources_stamp() -> int:
    """A number that changes when a source does that kernels are made of."""
    root = Path(__file__).parents[1]
    files = sorted(file for room in KERNELS for file in (root / room).rglob("*.py"))
    stats = [(str(file), file.stat()) for file in files]
    return zlib.crc32(repr([(name, one.st_mtime_ns, one.st_size) for name, one in stats]).encode())


@contextmanager
def _cached_in(folder: str | None) -> Iterator[None]:
    """numba settles where a function is kept when it is decorated, so its setting is changed for no longer than that.

    Functions of the user's own are kept where they would be without us. In os.environ the folder would reach child
    processes, too, whatever they are.
    """
    import numba

    config: Any = numba.config  # whose settings appear when it is made

    with _naming:
        before, config.CACHE_DIR = config.CACHE_DIR, folder or ""
        try:
            yield
        finally:
            config.CACHE_DIR = before
