"""Host memory that others have made, known to the driver, so that copies reach it without a buffer in between."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from typing import Any

from ..array import Array

PORTABLE = 1  # cudaHostRegisterPortable: for all GPUs


class PinnedPages:
    """The pages under some arrays, registered until `close`.

    Where the driver refuses (a locked-memory limit, a kernel without support) copies still work, only slower.
    """

    def __init__(self, cupy: Any, arrays: Iterable[Array]) -> None:
        self._runtime = cupy.cuda.runtime
        self._registered: list[int] = []
        for first, last in page_runs(arrays):
            try:
                self._runtime.hostRegister(first, last - first, PORTABLE)
            except self._runtime.CUDARuntimeError:
                continue
            self._registered.append(first)

    def close(self) -> None:
        """Let go of the pages, which must not be copied to or from any more."""
        for first in self._registered:
            self._runtime.hostUnregister(first)
        self._registered = []


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
