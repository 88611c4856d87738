"""Host memory that others have made, known to the driver, so that copies reach it without a buffer in between."""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from ...array import Array, Arrays
from ...cuda.device import Device

PORTABLE = 1  # cudaHostRegisterPortable: for all GPUs


class PinnedPages:
    """The pages under some arrays, registered until `close`, or until this object is gone; they live as long.

    Where the driver refuses (a locked-memory limit, a kernel without support) copies still work, only slower.
    """

    def __init__(self, device: Device, arrays: Iterable[Array]) -> None:
        kept, self._runtime = list(arrays), device.xp.cuda.runtime
        registered: list[int] = []
        for first, last in page_runs(kept):
            with suppress(self._runtime.CUDARuntimeError), device.here():
                self._runtime.hostRegister(first, last - first, PORTABLE)
                registered.append(first)
        self.close = weakref.finalize(self, _unregister, self._runtime, registered, kept)


def _unregister(runtime: Any, registered: Sequence[int], arrays: Arrays) -> None:
    """Let go of the pages; `arrays` are those in them, which must not be freed before."""
    for first in registered:
        with suppress(runtime.CUDARuntimeError):
            runtime.hostUnregister(first)


def page_runs(arrays: Iterable[Array]) -> list[tuple[int, int]]:
    """Addresses [first, last) of the pages under the arrays, those that touch as one run: no page may be twice."""
    size, found = mmap.PAGESIZE, []
    for array in arrays:
        if array.nbytes:
            start = array.ctypes.data
            found.append((start // size * size, -(-(start + array.nbytes) // size) * size))
    runs: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if runs and first <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(last, runs[-1][1]))
        else:
            runs.append((first, last))
    return runs
