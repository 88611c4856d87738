"""Inputs of a step that are rows of a data set: each thread copies those of its slices, instead of one for all."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Set

import numpy as np

from ...common.call_table import Row
from ..array import Array, Rows
from ..cpu.gathering import gather_row, tell


class GatheredInputs:
    """Which rows of which arrays the next step is to have: some arguments are to have rows in some steps, as the last
    batch of an epoch does that is filled with its first rows, and in others what they hold.
    """

    def __init__(self, arguments: Mapping[str, Array], shared: Set[str]) -> None:
        """`shared` are those of which each thread computes rows of its own; others are copied at once."""
        self._arguments = arguments
        self._wanted: dict[str, tuple[Array, Array]] = {}  # an array and the numbers of its rows, by argument
        # The same for rows of tables, of every argument that may ever have any: tables are made once.
        shareable = [name for name, array in arguments.items() if name in shared and _is_run(array)]
        self._told = {name: np.zeros(2, np.int64) for name in shareable}
        self._telling: set[str] = set()  # of which arguments they have been told something
        # The last ones, which are not kept alive, and where they are.
        self._sources: dict[str, tuple[weakref.ref[Array], int]] = {}

    def want(self, name: str, source: Array, numbers: Array) -> None:
        """The argument `name` (n, ...) is to hold the rows of `source` (m, ...) with these numbers (n,), int64."""
        before, address = self._sources.get(name, (None, 0))
        is_known = before is not None and before() is source
        if not numbers.flags.c_contiguous or not (is_known or (name in self._told and _is_run(source))):
            self._wanted.pop(name, None)
            take(source, numbers, self._arguments[name])
            return
        if not is_known:
            # numpy takes longer to say where an array is than a small network for a layer.
            address = source.ctypes.data
            self._sources[name] = weakref.ref(source), address
        self._wanted[name] = source, numbers
        tell(self._told[name], address, numbers)
        self._telling.add(name)

    def rows(self, part: Rows) -> list[Row]:
        """What copies rows [first, last) of those arguments, for whoever computes these."""
        first, last = part
        return [gather_row(told, first, self._arguments[name][first:last]) for name, told in self._told.items()]

    def begin(self) -> None:
        """Rows of tables run next."""
        if self._telling != self._wanted.keys():
            self._silence(self._telling - self._wanted.keys())

    def copy(self) -> None:
        """Copy all rows now."""
        for name, (source, numbers) in self._wanted.items():
            take(source, numbers, self._arguments[name])
        self.forget()

    def forget(self) -> None:
        """All rows have been copied, or nobody wants them any more."""
        self._wanted.clear()

    def give_up(self) -> None:
        """The step has failed. Threads that come to it later copy nothing, as the arrays may be gone by then."""
        self._silence(self._telling)

    def _silence(self, names: Set[str]) -> None:
        for name in names:
            self._told[name].fill(0)
        self._telling -= names


def _is_run(array: Array) -> bool:
    """Whether compiled rows can copy it."""
    return array.dtype == np.float32 and array.flags.c_contiguous


def take(source: Array, numbers: Array, out: Array) -> None:
    """Write the rows of `source` with these numbers, all of which there are."""
    source.take(numbers, axis=0, out=out, mode="clip")  # with mode "raise" numpy would buffer `out`
