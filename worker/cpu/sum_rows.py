"""Sums of arrays of float32 as rows of a table of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import numpy as np

from ...common.call_table import Row, in_python
from ..array import Array, add_into


def add_row(total: Array, addend: Array) -> Row:
    """A row that adds `addend` to `total`, contiguous arrays of one shape, in place."""
    if total.dtype != np.float32:
        return in_python(partial(_add, total, addend))
    from .compiled_sum_rows import add

    return Row(add, (total, addend, total.size))


def add_rows(pairs: Sequence[tuple[Array, Array]]) -> list[Row]:
    """Rows that do what an `add_row` of each (total, addend) does, in this order; all arrays have one shape."""
    if not pairs or pairs[0][0].dtype != np.float32:
        return [add_row(*pair) for pair in pairs]
    from .compiled_sum_rows import add_pairs

    return [Row(add_pairs, (len(pairs), pairs[0][0].size, *chain.from_iterable(pairs)))]


def _add(total: Array, addend: Array) -> None:
    add_into(total, addend)


def switch_row(switch: Array, called: Callable[[], None]) -> Row:
    """A row at which Python calls `called` if `switch` (1,), int64, is not 0."""
    from .compiled_sum_rows import switch as function

    return Row(function, (switch,), called)


def countdown_row(counter: Array, passed_over: int) -> Row:
    """A row that takes one from the whole number in `counter` (1,), int64, and unless nothing is left passes over so
    many rows.
    """
    from .compiled_sum_rows import countdown

    return Row(countdown, (counter, passed_over))
