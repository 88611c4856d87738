"""An exchange that hands nothing to the store before all gradients of all workers are known to be good.

A step that is left out must be left out whole: of every key, on every server. So nothing of it may reach a server,
which would update a key as soon as it has all gradients. The price is a round trip for each step, and that gradients
travel when backward has ended instead of beside it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ...common.call_table import Row, in_python
from ...ps.row_sparse import RowGradient
from ..array import WHOLE, Array
from ..store.finite import flaw
from ..store.kvstore import KVStore
from .bad_numbers import BadSteps
from .gradient_exchange import Exchange
from .sparse_embeddings import Lookup


class HeldExchange(Exchange):
    """`begin` a step, announce all gradients, then `end` it: that hands them in, or leaves the step out.

    `states` are the auxiliary ones, which forward changes: they are put back when a step is left out.
    """

    def __init__(
        self,
        store: KVStore,
        weights: Mapping[str, Array],
        lookups: Sequence[Lookup],
        slices: Sequence[tuple[int, int]],
        states: Mapping[str, Array],
        bad: BadSteps,
        before: Callable[[str], None] = lambda key: None,
    ) -> None:
        super().__init__(store, weights, lookups, slices, before)
        self._session = store.session
        self._states, self._kept = states, {name: np.empty_like(array) for name, array in states.items()}
        self._bad = bad
        self._order = [*weights, *(lookup.weight for lookup in lookups)]
        self._holding = threading.Lock()

    def begin(self, n: int, rate: float) -> None:
        """Start step `n`, which may be one that was begun and left out before."""
        super().begin(n, rate)
        self._held: list[tuple[str, Array | RowGradient]] = []
        self._flaws: dict[str, str] = {}
        for name, array in self._states.items():
            np.copyto(self._kept[name], array)

    def announce(self, name: str, gradient: Array) -> None:
        """Keep a gradient until `end`, and look at it."""
        lookup = self._lookups.get(name)
        held: Any = gradient if lookup is None else lookup.gradient(gradient, self._slices)
        key, found = (name, self._store.flaw(gradient)) if lookup is None else (lookup.weight, flaw(held.rows))
        with self._holding:
            self._held.append((key, held))
            if found:
                self._flaws[key] = found

    def rows(self, name: str, gradient: Array, part: slice = WHOLE) -> list[Row]:
        """Keeping a gradient is Python's."""
        return [in_python(partial(self.announce, name, gradient))]

    def end(self) -> bool:
        """Hand in all gradients if those of all workers are good; whether they were. Every worker calls it.

        Raises what `BadSteps.found` does.
        """
        first = next(((key, self._flaws[key]) for key in self._order if key in self._flaws), None)
        said = [json.loads(one) for one in self._session.gather(json.dumps(first).encode(), "on_nan")]
        if not any(said):
            for key, held in self._held:
                self._hand_in(key, held)
            return True
        for name, array in self._states.items():
            np.copyto(array, self._kept[name])
        rank = next(rank for rank, one in enumerate(said) if one)
        key, what = said[rank]
        self._bad.found(key, what, rank)
        return False

    def _hand_in(self, key: str, held: Array | RowGradient) -> None:
        if isinstance(held, RowGradient):
            self._push_rows(key, held)
        else:
            super().announce(key, held)
