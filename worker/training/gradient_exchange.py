"""Gradients out and weights back, in bundles: a message costs more than the small arrays in it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from ..array import Array
from ..profiling.spans import recorder
from ..store.kvstore import KVStore
from .sparse_embeddings import Lookup

BUNDLE = 1 << 18  # bytes: what one bundle holds at least, unless it is the last of its step
SHARED_BUNDLE = 1 << 22  # the same where only headers travel


class Exchange:
    """One step after the other: every gradient is announced once, in any order and on any thread.

    A store without a wire takes each gradient at once. Otherwise gradients leave as soon as a bundle of them is final,
    so that what is left to send when backward ends is little, and each bundle's weights are asked for along with it.
    """

    def __init__(
        self,
        store: KVStore,
        weights: Mapping[str, Array],
        lookups: Sequence[Lookup] = (),
        slices: Sequence[tuple[int, int]] = (),
    ) -> None:
        """`weights`: where each parameter's new values go, in the order of the layers; first layers travel first.

        The gradients of `lookups`, whose rows are fetched before each step, are announced under the names of their
        inputs; `slices` of the batch say in which order they are summed.
        """
        self._store, self._weights = store, weights
        self._lookups, self._slices = {lookup.rows: lookup for lookup in lookups}, slices
        self._priority = {name: -index for index, name in enumerate(weights)}
        shared = any(store.value(name) is not None for name in weights)
        self._least = SHARED_BUNDLE if shared else BUNDLE
        self._lock = threading.Lock()
        self._bundle: list[tuple[str, Array]] = []
        self._bytes = self._missing = 0

    def begin(self, n: int, rate: float) -> None:
        """Step `n` (from 1) starts; `rate` is its learning rate."""
        self._n, self._rate = n, rate
        self._bundle, self._bytes, self._missing = [], 0, len(self._weights)

    def announce(self, name: str, gradient: Array) -> None:
        """The gradient of `name` is final and stays as it is until the store's `wait` has returned."""
        if name in self._lookups:
            self._announce_rows(self._lookups[name], gradient)
            return
        if not self._store.is_distributed:
            with recorder.span("update", name):
                self._store.push_gradient(name, gradient, self._n, self._rate)
            return
        with self._lock:
            self._bundle.append((name, gradient))
            self._bytes += gradient.nbytes
            self._missing -= 1
            if self._bytes >= self._least or not self._missing:
                self._send()

    def _announce_rows(self, lookup: Lookup, gradient: Array) -> None:
        with recorder.span("push", lookup.weight):
            by_rows = lookup.gradient(gradient, self._slices)
            with self._lock:
                self._store.push_row_gradient(lookup.weight, by_rows, self._n, self._rate)

    def _send(self) -> None:
        bundle, self._bundle, self._bytes = self._bundle, [], 0
        with recorder.span("push"), self._store.together():
            for name, gradient in bundle:
                self._store.push_gradient(name, gradient, self._n, self._rate, self._priority[name])
            for name, _ in bundle:
                self._store.pull_weight(name, self._weights[name], self._priority[name])
