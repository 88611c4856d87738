"""Host memory that others have allocated, registered with the driver, so that a GPU copies from and to it directly."""

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
    """The pages under some host arrays, registered until `close`, or until this object is gone; the arrays are kept
    alive until then.

    If the driver refuses (a locked-memory limit, a kernel without support), copies still work, only slower.
    """

    def __init__(self, device: Device, arrays: Iterable[Array]) -> None:
        kept, self._runtime = list(arrays), device.xp.cuda.runtime
        registered: list[int] = []
        for first, last in page_runs(kept):
            with suppress(self._runtime.CUDARuntimeError), device.here():
                self._runtime.hostRegister(first, last - first, PORTABLE)
                registered.append(first)
        # A finalizer and no __del__: it also runs at exit, runs once, and must not refer to `self`, which would then
        # never be collected. So everything that it needs is passed to it.
        self.close = weakref.finalize(self, _unregister, self._runtime, registered, kept)


def _unregister(runtime: Any, registered: Sequence[int], arrays: Arrays) -> None:
    """Unregister the pages. `arrays` only keeps the arrays in them alive until then."""
    # While the interpreter exits, the driver may have shut down already: there is nothing left to release then.
    for first in registered:
        with suppress(runtime.CUDARuntimeError):
            runtime.hostUnregister(first)


def page_runs(arrays: Iterable[Array]) -> list[tuple[int, int]]:
    """Addresses [first, last) of the pages under the arrays, of any shape, in bytes; runs that touch are joined.

    The driver refuses a page that is registered already, and small arrays often share one.
    """
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
