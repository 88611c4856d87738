"""What the allocator does with the memory of frames that have been worked off."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
FRAMES = 32 << 20  # bytes: the longest that glibc keeps in a heap
KEPT = 128 << 20  # bytes that are free and stay this process's


def keep_freed_memory() -> None:
    """Have freed frames' memory used again, where the C library is glibc; elsewhere nothing changes.

    By default frames of megabytes go back to the system and come again page by page, each filled with zeros: a fifth of
    a server's time over tcp.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, FRAMES)
        mallopt(M_TRIM_THRESHOLD, KEPT)


def return_freed_memory() -> None:
    """Give back what is free now, even between what is used: after large things have moved elsewhere."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None)
