"""The compiled part of counter.py: looking at a number in memory until another thread changes it."""

from __future__ import annotations

import time
from functools import lru_cache

import numpy as np

from .compiled_atomics import look
from .compiled_waiting import pause
from .jit import kernel

_PROBE = 1000  # looks, whose time tells how long one takes


@kernel
def watch(address: int, before: int, looks: int) -> int:
    """Look at the whole number at an address until it is not `before`, at most so many times; how many are left."""
    while looks > 0 and look(address) == before:
        pause()
        looks -= 1
    return looks


@lru_cache(maxsize=1)
def looks_per_second() -> float:
    """How many looks `watch` takes in a second."""
    number = np.zeros(1, np.int64)
    watch(number.ctypes.data, 0, 1)  # compiled, or loaded
    start = time.perf_counter()
    watch(number.ctypes.data, 0, _PROBE)
    return _PROBE / max(time.perf_counter() - start, 1e-9)
