"""Working memory that kernels share: one set of buffers per compute thread, each as large as its largest user needs."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from ..array import Array, Shape, aligned_empty


class _Buffers(threading.local):
    def __init__(self) -> None:
        self.by_name: dict[tuple[str, Any], Array] = {}


_buffers = _Buffers()


def scratch(name: str, shape: Shape, dtype: Any = np.float32) -> Array:
    """An uninitialised array that is the caller's until it returns, or asks for the same name again.

    Every kernel of a network runs on few threads, one after the other, so that one buffer does for all of them.
    """
    size, key = math.prod(shape), (name, dtype)
    found = _buffers.by_name.get(key)
    if found is None or found.size < size:
        found = _buffers.by_name[key] = aligned_empty((size,), dtype)
    return found[:size].reshape(shape)
