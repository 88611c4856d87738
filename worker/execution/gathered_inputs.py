"""Inputs of a step that are rows of a data set: each thread copies those of its slices, instead of one for all."""

from __future__ import annotations

from collections.abc import Mapping, Set

import numpy as np

from ...common.call_table import Row
from ..array import Array, Rows
from ..cpu.gathering import gather_row


class GatheredInputs:
    """Which rows of which arrays the next step is to have. In all steps that copy rows it is the same arguments."""

    def __init__(self, arguments: Mapping[str, Array], shared: Set[str]) -> None:
        """`shared` are those of which each of several threads computes rows of its own; others are copied at once."""
        self._arguments, self._shared = arguments, shared
        self._wanted: dict[str, tuple[Array, Array]] = {}  # an array and the numbers of its rows, by argument
        self._told: dict[str, Array] = {}  # the same for rows of tables

    def want(self, name: str, source: Array, numbers: Array) -> None:
        """The argument `name` (n, ...) is to hold the rows of `source` (m, ...) with these numbers (n,), int64."""
        arrays = source, numbers, self._arguments[name]
        if not (name in self._shared and source.dtype == np.float32 and all(one.flags.c_contiguous for one in arrays)):
            take(*arrays)
            return
        self._wanted[name] = source, numbers
        self._told.setdefault(name, np.zeros(2, np.int64))[:] = source.ctypes.data, numbers.ctypes.data

    def rows(self, part: Rows) -> list[Row]:
        """What copies rows [first, last) of those arguments, for whoever computes these."""
        first, last = part
        return [gather_row(told, first, self._arguments[name][first:last]) for name, told in self._told.items()]

    def copy(self) -> None:
        """Copy all rows now."""
        for name, (source, numbers) in self._wanted.items():
            take(source, numbers, self._arguments[name])
        self.forget()

    def forget(self) -> None:
        """All rows have been copied, or nobody wants them any more."""
        self._wanted.clear()
        for told in self._told.values():
            told.fill(0)


def take(source: Array, numbers: Array, out: Array) -> None:
    """Write the rows of `source` with these numbers, all of which there are."""
    source.take(numbers, axis=0, out=out, mode="clip")  # with mode "raise" numpy would buffer `out`
