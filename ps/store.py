"""The store of one fit: weights, optimizer states and versions. No sockets: local mode uses it as it is.

What is stored under one name is an `Entry`: a whole key, or one range of a big key.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

import numpy as np

from .optimizer import Optimizer
from .update import Array, sum_rows

K = TypeVar("K", bound=Hashable)


class Entry:
    """One flat, contiguous weight (kept itself, not copied), its optimizer states, and how many updates it has seen."""

    def __init__(self, weight: Array, lr_mult: float = 1.0, wd_mult: float = 1.0) -> None:
        self.weight, self.lr_mult, self.wd_mult = weight, lr_mult, wd_mult
        self.states: dict[str, Array] = {}
        self.version = 0

    def part(self, name: str) -> Array | None:
        """The weight, or the state of that name, or None."""
        return self.weight if name == "weight" else self.states.get(name)

    def prepare(self, optimizer: Optimizer | None) -> None:
        """Reserve what `optimizer` keeps per key; what is there already and still fits stays."""
        names = optimizer.state_names if optimizer else ()
        self.states = {name: self.states.get(name, np.zeros_like(self.weight)) for name in names}

    def apply(self, optimizer: Optimizer | None, rows: Array, lr: float, column: int = 0) -> None:
        """The next version: the weight updated by the sum of `rows` (workers, n), or that sum without an optimizer.

        Rows may be longer than the weight: its gradients are their elements from `column` on.
        """
        if optimizer is None:
            sum_rows(rows, self.weight, column)
        else:
            optimizer.apply(rows, self.weight, self.states, lr * self.lr_mult, self.wd_mult, column)
        self.version += 1

    @property
    def nbytes(self) -> int:
        """Bytes of weight and states."""
        return self.weight.nbytes + sum(state.nbytes for state in self.states.values())


class Store(Generic[K]):
    """Entries by name, and the optimizer that they share.

    Different names may be used from different threads at once; one name is one thread's business at a time.
    """

    def __init__(self) -> None:
        self.entries: dict[K, Entry] = {}
        self.optimizer: Optimizer | None = None
        self._lock = threading.Lock()

    def add(self, name: K, entry: Entry) -> None:
        """Keep `entry` under `name`, with what the optimizer needs beside it."""
        with self._lock:
            entry.prepare(self.optimizer)
            self.entries[name] = entry

    def set_optimizer(self, optimizer: Optimizer | None) -> None:
        """Update by `optimizer` from now on; states of an equal one stay, those of another start at zero."""
        with self._lock:
            same = self.optimizer and optimizer and self.optimizer.description() == optimizer.description()
            for entry in self.entries.values():
                if not same and self.optimizer is not None:
                    entry.states = {}
                entry.prepare(optimizer)
            self.optimizer = optimizer

    def push(self, name: K, rows: Array, lr: float, column: int = 0) -> None:
        """Update `name` by the sum of `rows` (workers, n), from `column` on, which is used up."""
        self.entries[name].apply(self.optimizer, rows, lr, column)

    @property
    def nbytes(self) -> int:
        """Bytes of all weights and states."""
        return sum(entry.nbytes for entry in self.entries.values())
