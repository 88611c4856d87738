"""Row-sparse gradients: row ids and these rows' gradients, instead of an array that is zero everywhere else.

Updates are lazy, like MXNet's `lazy_update`: weight decay and momentum act only on the rows that a step touches.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from .optimizers.base import Optimizer
from .store import Entry
from .update import Array, sum_rows


class RowGradient(NamedTuple):
    """Gradients of some rows: `ids` (k,) int64, increasing and different, and `rows` (k, width)."""

    ids: Array
    rows: Array

    def expand(self, out: Array) -> None:
        """Write the dense gradient into the flat `out` (n * width,), with zeros in the rows that are not named."""
        out[:] = 0
        out.reshape(-1, self.rows.shape[1])[self.ids] = self.rows


def summed_rows(ids: Array, rows: Array) -> RowGradient:
    """Sort `ids` (k,) and keep each once; of `rows` (k, width), those with the same id are added up, first to last."""
    # Everything is stable and in order, so that the bits of a sum depend on the order of `ids` only.
    order = np.argsort(ids, kind="stable")
    unique, first = np.unique(ids[order], return_index=True)
    if unique.size == ids.size:  # nothing to add up, as in most steps
        return RowGradient(unique, rows[order])
    total = rows[order[first]]
    places = np.searchsorted(unique, ids)
    again = np.ones(ids.size, bool)
    again[order[first]] = False
    np.add.at(total, places[again], rows[again])  # += would add only one of several rows with the same place
    return RowGradient(unique, total)


def merged(one: RowGradient, other: RowGradient) -> RowGradient:
    """The sum of two row-sparse gradients of the same width, with every row that one of them names."""
    ids = np.union1d(one.ids, other.ids)
    rows = np.zeros((ids.size, one.rows.shape[1]), one.rows.dtype)
    rows[np.searchsorted(ids, one.ids)] = one.rows
    rows[np.searchsorted(ids, other.ids)] += other.rows
    return RowGradient(ids, rows)


def update_rows(entry: Entry, optimizer: Optimizer | None, given: Sequence[RowGradient], lr: float) -> None:
    """Make the next version of `entry` from one gradient per worker, in rank order; ids count from its first row.

    Touched rows get the bits that the dense update would give them: they go through the same kernel, with zeros where
    a worker did not name the row. Without an optimizer the value becomes the sum, so rows that nobody pushed become 0.
    An optimizer that is not lazy gets whole gradients, with zeros in all other rows.
    """
    if optimizer is not None and not optimizer.lazy:
        whole = np.empty((len(given), entry.weight.size), entry.weight.dtype)
        for out, one in zip(whole, given, strict=True):
            one.expand(out)
        entry.apply(optimizer, whole, lr)
        return
    width = given[0].rows.shape[1]
    ids = reduce(np.union1d, [one.ids for one in given])
    gradients = np.zeros((len(given), ids.size, width), entry.weight.dtype)
    for into, one in zip(gradients, given, strict=True):
        into[np.searchsorted(ids, one.ids)] = one.rows
    parts = {"weight": entry.weight, **entry.states}
    tables = {name: array.reshape(-1, width) for name, array in parts.items()}
    touched = {name: table[ids].reshape(-1) for name, table in tables.items()}
    weight, states = touched["weight"], {name: touched[name] for name in entry.states}
    if optimizer is None:
        sum_rows(gradients.reshape(len(given), -1), weight)
        entry.weight[:] = 0  # the sum of gradients is zero where nobody has one
    else:
        optimizer.apply(gradients.reshape(len(given), -1), weight, states, entry.step(optimizer, lr))
    for name, table in tables.items():
        table[ids] = touched[name].reshape(-1, width)
    entry.updated(lr)
