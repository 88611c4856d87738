"""Updates of a local store as rows of a table of calls, so that a step needs no Python for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...common.call_table import Row
from ...ps.optimizers.base import Descent
from ...ps.store import Entry
from ...ps.update import rules
from ..array import Array
from .keys import KeyInfo


class CompiledUpdates:
    """The keys that are updated by rows. Before these run, `begin` gives the step's numbers, and afterwards `end`
    counts the updates.
    """

    def __init__(self) -> None:
        self._keys: dict[str, tuple[KeyInfo, Entry]] = {}
        # Keys with equal factors of rate and decay have all their numbers in common, as they are updated together.
        self._numbers: dict[tuple[float, float], tuple[Entry, Array]] = {}
        self._lr = 0.0  # of the step under way, in which rows may be asked for

    def rows(
        self,
        optimizer: Descent,
        info: KeyInfo,
        entry: Entry,
        gradient: Array,
        part: slice,
        refuse: Callable[[], None] | None,
    ) -> list[Row] | None:
        """What updates a `part` of a key, taken as flat, by that of `gradient`, of the key's shape; None if there is no
        compiled function for that.

        `refuse` is called, and raises, if a number of the part is NaN or infinite; None not to look.
        """
        factors = entry.lr_mult, entry.wd_mult
        numbers = self._numbers.get(factors, (entry, np.array(self._scalars(optimizer, entry, self._lr))))
        own, states = gradient.reshape(-1)[part], {name: state[part] for name, state in entry.states.items()}
        update = optimizer.row(own, entry.weight[part], states, numbers[1])
        if update is None:
            return None
        self._numbers[factors] = numbers
        self._keys[info.name] = info, entry
        return [update] if refuse is None else [Row(rules().finite, (own, own.size), refuse), update]

    def begin(self, optimizer: Descent, lr: float) -> None:
        """The rows' next run is a step at this rate."""
        if lr == self._lr and not optimizer.counts:
            return  # the numbers are those of the step before
        self._lr = lr
        for entry, numbers in self._numbers.values():
            numbers[:] = self._scalars(optimizer, entry, lr)

    def end(self, n: int, lr: float) -> None:
        """Step `n` is over. What pushes have updated instead of rows has been counted."""
        for info, entry in self._keys.values():
            if info.n < n:
                info.n = n
                entry.updated(lr)

    @staticmethod
    def _scalars(optimizer: Descent, entry: Entry, lr: float) -> list[float]:
        return [float(number) for number in optimizer.scalars(entry.step(optimizer, lr), entry.weight.dtype.type)]
