"""What the C library's allocator does with the memory of frames that have been processed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
FRAMES = 32 << 20  # bytes: blocks up to this size come from the heap; glibc allows no higher threshold
KEPT = 128 << 20  # bytes at the heap's end that may be free and yet stay this process's


def keep_freed_memory() -> None:
    """Make malloc reuse the memory of freed frames. Only glibc can be told so; elsewhere nothing changes.

    By default memory of frames of megabytes goes back to the system, and new memory comes page by page, each zeroed by
    the kernel: that took a fifth of a server's time over tcp.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, FRAMES)
        mallopt(M_TRIM_THRESHOLD, KEPT)


def return_freed_memory() -> None:
    """Return all free memory to the system, even between blocks in use. Call it after large arrays have been freed."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None)
