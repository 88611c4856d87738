"""Gradients out and weights back, in bundles, since a message costs more than the small arrays in it.

Backward announces gradients from the last layer to the first, on compute threads; `Exchange` passes them to the store
while earlier layers are still being computed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from ...common.call_table import Row, in_python
from ...ps.row_sparse import RowGradient
from ..array import WHOLE, Array
from ..cpu.sum_rows import switch_row
from ..profiling.spans import recorder
from ..store.kvstore import KVStore
from .sparse_embeddings import Lookup

BUNDLE = 1 << 18  # bytes of gradients that one bundle holds at least, unless it is the last of its step
# The same where arrays lie in shared memory and only headers travel. What a bundle costs is then the message alone, so
# fewer and larger ones are better.
SHARED_BUNDLE = 1 << 22


class Exchange:
    """The exchange of a fit, step by step: `begin`, then every gradient is announced once, in any order.

    `announce` may be called on any thread. A store in this process takes each gradient at once. Otherwise gradients
    leave as soon as a bundle of them is final, so that little is left to send when backward ends, and the new weights
    of a bundle are asked for along with it. The store's `wait` ends the step.
    """

    def __init__(
        self,
        store: KVStore,
        weights: Mapping[str, Array],
        lookups: Sequence[Lookup] = (),
        slices: Sequence[tuple[int, int]] = (),
        before: Callable[[str], None] = lambda key: None,
    ) -> None:
        """`weights`: the arrays, each of its parameter's shape, that take the new values, in the order of the layers.

        The gradients of `lookups`, whose rows are fetched before each step, are announced under the names of their
        inputs; they are summed over the `slices` [first, last) of this worker's rows, like all others. `before` is
        called with the key, on any thread, before its gradient is handed to the store; by compiled rows only in steps
        in which `asks_before` has been set to 1.
        """
        self._store, self._weights, self._before = store, weights, before
        self._lookups, self._slices = {lookup.rows: lookup for lookup in lookups}, slices
        # The next step's forward begins with the first layers, so their weights overtake what is still waiting.
        self._priority = {name: -index for index, name in enumerate(weights)}
        shared = any(store.value(name) is not None for name in weights)
        self._least = SHARED_BUNDLE if shared else BUNDLE
        self.asks_before = np.zeros(1, np.int64)  # whether `before` is called in this step by compiled rows, too
        # Guards the three fields below, and lets one compute thread at a time talk to a distributed store.
        self._lock = threading.Lock()
        self._bundle: list[tuple[str, Array]] = []
        self._bytes = self._missing = 0  # in the bundle; and gradients that have not been announced in this step

    def begin(self, n: int, rate: float) -> None:
        """Start step `n` (from 1, without gaps) with that learning rate. Not while gradients are being announced."""
        self._n, self._rate = n, rate
        self._bundle, self._bytes, self._missing = [], 0, len(self._weights)
        self._store.begin_rows(rate)

    def announce(self, name: str, gradient: Array) -> None:
        """Take the final gradient of `name`, of the key's shape, which must stay as it is until the store has waited.

        Raises DataError if it is NaN or infinite; what goes wrong later is raised by the store's `wait`.
        """
        if name in self._lookups:
            self._announce_rows(self._lookups[name], gradient)
            return
        self._before(name)
        if not self._store.is_distributed:
            # Without the lock: the update happens here, and threads that announce different keys update side by side.
            with recorder.span("update", name):
                self._store.push_gradient(name, gradient, self._n, self._rate)
            return
        with self._lock:
            self._bundle.append((name, gradient))
            self._bytes += gradient.nbytes
            self._missing -= 1
            # The last gradient of a step sends what is left, whichever it is; there is no call at the end of a step.
            if self._bytes >= self._least or not self._missing:
                self._send()

    def rows(self, name: str, gradient: Array, part: slice = WHOLE) -> list[Row]:
        """What `announce` does, as rows of a table of calls; with a `part` of the gradient, taken as flat, that alone.

        Where a row is Python's, it announces all of it. Parts may be handed in on several threads.
        """
        found = None if name in self._lookups else self._store.update_rows(name, gradient, part)
        if found is None:
            return [in_python(partial(self.announce, name, gradient))]
        return [switch_row(self.asks_before, partial(self._before, name)), *found]

    def end(self) -> bool:
        """Note that all gradients of the step have been announced; whether they have been handed in."""
        self._store.end_rows(self._n, self._rate)
        self.asks_before[0] = 0
        return True

    def _announce_rows(self, lookup: Lookup, gradient: Array) -> None:
        with recorder.span("push", lookup.weight):
            self._push_rows(lookup.weight, lookup.gradient(gradient, self._slices))

    def _push_rows(self, key: str, gradient: RowGradient) -> None:
        self._before(key)
        with self._lock:
            self._store.push_row_gradient(key, gradient, self._n, self._rate)

    def _send(self) -> None:
        """Hand the bundle to the store. The lock is held."""
        bundle, self._bundle, self._bytes = self._bundle, [], 0
        with recorder.span("push"), self._store.together():
            for name, gradient in bundle:
                self._store.push_gradient(name, gradient, self._n, self._rate, self._priority[name])
            for name, _ in bundle:
                self._store.pull_weight(name, self._weights[name], self._priority[name])
