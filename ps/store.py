"""The store of one fit: weights, optimizer states and versions. There are no sockets here: local mode uses it directly.

What is stored under one name is an `Entry`: a whole key, or one range of a big key.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

import numpy as np

from .optimizers.base import Optimizer, Step
from .update import Array, sum_rows

K = TypeVar("K", bound=Hashable)


class Entry:
    """A flat, contiguous weight (n,), its optimizer states, each (n,), and the number of updates so far (`version`).

    The weight is not copied: in local mode it is the executor's own array, which updates then change in place. `key` is
    the key's name, and the weight begins at its element `lo`.
    """

    def __init__(self, weight: Array, lr_mult: float = 1.0, wd_mult: float = 1.0, key: str = "", lo: int = 0) -> None:
        self.weight, self.lr_mult, self.wd_mult, self.key, self.lo = weight, lr_mult, wd_mult, key, lo
        self.states: dict[str, Array] = {}
        self.version = 0
        self._last_lr: float | None = None

    def part(self, name: str) -> Array | None:
        """The weight (n,) if `name` is "weight", else the state (n,) of that name, or None if there is none."""
        return self.weight if name == "weight" else self.states.get(name)

    def prepare(self, optimizer: Optimizer | None) -> None:
        """Reserve the states that `optimizer` keeps. States of the same name stay as they are, others are dropped."""
        names = optimizer.state_names if optimizer else ()
        self.states = {name: self.states.get(name, np.zeros_like(self.weight)) for name in names}

    def apply(self, optimizer: Optimizer | None, rows: Array, lr: float, column: int = 0) -> None:
        """Make the next version: update the weight by the sum of `rows` (workers, n'), or replace it by that sum.

        It is replaced where there is no optimizer. Gradients are the elements [column, column + n) of each row; the
        rows are overwritten. `lr` is the step's rate before the key's own factor.
        """
        if optimizer is None:
            sum_rows(rows, self.weight, column)
        else:
            optimizer.apply(rows, self.weight, self.states, self.step(optimizer, lr), column)
        self.updated(lr)

    def step(self, optimizer: Optimizer, lr: float) -> Step:
        """What the next update is told; `lr` is the step's rate before the key's own factor."""
        return Step(
            lr=lr,
            lr_mult=self.lr_mult,
            wd_mult=self.wd_mult,
            t=optimizer.begin_num_update + self.version + 1,
            last_lr=optimizer.last_lr if self._last_lr is None else self._last_lr,
            key=self.key,
            lo=self.lo,
        )

    def updated(self, lr: float) -> None:
        """Note that the next version has been made, at the rate `lr`."""
        self.version += 1
        self._last_lr = lr

    @property
    def nbytes(self) -> int:
        """The bytes of the weight and its states."""
        return self.weight.nbytes + sum(state.nbytes for state in self.states.values())


class Store(Generic[K]):
    """Entries by name, and the optimizer that they share.

    Different names may be used from different threads at once, one name from only one thread at a time. The lock is for
    `add` and `set_optimizer`, which must not miss each other's entry or optimizer; `push` does not take it, so the
    optimizer must not be replaced while pushes are under way.
    """

    def __init__(self) -> None:
        self.entries: dict[K, Entry] = {}
        self.optimizer: Optimizer | None = None
        self._lock = threading.Lock()

    def add(self, name: K, entry: Entry) -> None:
        """Keep `entry` under `name`, with the states that the optimizer needs. An earlier entry is replaced."""
        with self._lock:
            entry.prepare(self.optimizer)
            self.entries[name] = entry

    def set_optimizer(self, optimizer: Optimizer | None) -> None:
        """Update by `optimizer` from now on, or with None only keep sums.

        States of an equal optimizer stay, because requests are repeated; those of another one start at zero.
        """
        with self._lock:
            # Compared by description: learning rates and schedules are not the store's business.
            same = self.optimizer and optimizer and self.optimizer.description() == optimizer.description()
            for entry in self.entries.values():
                # Another optimizer's states mean something else even under the same name.
                if not same and self.optimizer is not None:
                    entry.states = {}
                entry.prepare(optimizer)
            self.optimizer = optimizer

    def push(self, name: K, rows: Array, lr: float, column: int = 0) -> None:
        """Update `name` by the sum of `rows` (workers, m) from `column` on, as Entry.apply does; overwrites `rows`."""
        self.entries[name].apply(self.optimizer, rows, lr, column)

    @property
    def nbytes(self) -> int:
        """The bytes of all weights and states."""
        return sum(entry.nbytes for entry in self.entries.values())
