"""Working memory that kernels share: one set of buffers per compute thread, each as large as its largest user needs."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from ..array import Array, Shape, aligned_empty


# Slices of a batch are computed on several threads at once, so each thread has its own buffers. They only grow: after
# the first steps of a training nothing is allocated any more.
class _Buffers(threading.local):
    def __init__(self) -> None:
        self.by_name: dict[tuple[str, Any], Array] = {}


_buffers = _Buffers()


def scratch(name: str, shape: Shape, dtype: Any = np.float32) -> Array:
    """An uninitialised array of `shape` that belongs to the caller until it returns or asks for the same name again.

    All kernels of a network take turns on few threads, so they share one buffer per thread, name and dtype. Nothing
    that backward needs may be kept here between the passes: the next kernel overwrites it.
    """
    size, key = math.prod(shape), (name, dtype)
    found = _buffers.by_name.get(key)
    if found is None or found.size < size:
        found = _buffers.by_name[key] = aligned_empty((size,), dtype)
    return found[:size].reshape(shape)
