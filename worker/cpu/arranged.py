"""What kernels make of large parameters before they compute, such as a weight's tiles: once for all threads.

Kernels of several slices of the batch read the same parameters. Each could arrange them for itself, at the cost of the
whole for every thread; here they are arranged before a pass, a part of them by each thread.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable

from ...common.call_table import Row
from ..array import Array

LEAST_BYTES = 512 * 1024  # of a form that is worth it; smaller ones had better stay in the cache of who reads them


class Forms:
    """Arrays that are made of parameters, and the rows that make them, which may run side by side."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._found: dict[Hashable, Array] = {}

    def find(self, kind: Hashable, parameter: Array, make: Callable[[], tuple[Array, list[Row]]]) -> Array:
        """What all get who ask for the same kind of the same parameter; `make` gives the array and what fills it."""
        key = kind, parameter.ctypes.data, parameter.shape
        if key not in self._found:
            self._found[key], rows = make()
            self.rows += rows
        return self._found[key]


class Arranged:
    """Forms of an executor's parameters, by the pass before which they are made."""

    def __init__(self, inputs: Container[str] = ()) -> None:
        """`inputs`: names of arguments that are no parameters, as they differ from batch to batch."""
        self.inputs = inputs
        self.forward, self.backward = Forms(), Forms()
