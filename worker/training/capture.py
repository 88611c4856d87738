"""What a fit's arrays hold at one step, copied while the next step is computed: a snapshot hardly holds a training up.

A key changes no sooner than its gradient of the next step is handed to the store, on servers as well, which need that
of every worker. Until then a thread has the time of a forward pass to copy it; what it has not copied by then is copied
first. So all copies are of one step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ...common.errors import JobError, PeerLost, PushgradError
from ..array import Array
from ..store.kvstore import KVStore

ByName = Mapping[str, Array]
Wait = Callable[[], None]  # blocks until what was begun is done


@dataclass(frozen=True)
class Held:
    """A fit's arrays by parameter's or state's name; `optimizer_states` by parameter, then by state."""

    weights: ByName = field(default_factory=dict)
    states: ByName = field(default_factory=dict)
    optimizer_states: Mapping[str, ByName] = field(default_factory=dict)
    residuals: ByName = field(default_factory=dict)


class Capture:
    """Copies of a fit's arrays at one step. `arrays` hold them once `finish` has returned.

    Several threads may call the methods: the one that wants the copies calls `finish`, those that are about to change
    what is copied call `before`.
    """

    def __init__(self, arrays: Held, keys: Iterable[str] = (), copy: Callable[[str], Wait] | None = None) -> None:
        """`copy` begins the copy of one of `keys` and gives what waits for its end. Without keys all is there."""
        self.arrays = arrays
        self._copy = copy
        self._locks = {key: threading.Lock() for key in keys}
        self._begun: dict[str, Wait] = {}
        self._held: dict[str, float] = {}

    @property
    def held(self) -> float:
        """How many seconds `before` has taken so far, over all keys."""
        return sum(self._held.values())

    def before(self, key: str) -> None:
        """Let `key` change when this returns: its copy is made, or asked for where the change must queue behind it."""
        if key in self._locks and key not in self._begun:
            began = time.perf_counter()
            self._begin(key)
            self._held[key] = time.perf_counter() - began

    def finish(self) -> None:
        """Return when everything is copied. Raises what the store does, and JobError if the fit is over before."""
        for key in self._locks:
            self._begin(key)
        for wait in self._begun.values():
            wait()

    def close(self) -> None:
        """Finish, or at least let nobody copy any more: the arrays that are copied may be freed when this returns."""
        with suppress(PushgradError, PeerLost):  # the thread that wants the copies says so
            self.finish()
        for key, lock in self._locks.items():
            with lock:
                self._begun.setdefault(key, _too_late)

    def _begin(self, key: str) -> None:
        assert self._copy is not None
        with self._locks[key]:
            if key not in self._begun:
                self._begun[key] = self._copy(key)


def _too_late() -> None:
    raise JobError("the fit is over, and a snapshot of its last step was not complete")


class Copies:
    """Makes the captures of a fit with a key-value store, all in the same memory: fresh pages cost more than copying.

    So the last capture must not be read any more when the next one begins.
    """

    def __init__(self, store: KVStore, weights: ByName, states: ByName, learned: Collection[str]) -> None:
        """`weights` and `states` are the arrays that training changes, in the order of the layers."""
        self._store, self._weights, self._states, self._learned = store, weights, states, learned
        self._memory: dict[tuple[str, ...], Array] = {}
        self._last = Capture(Held())

    def reserve(self) -> None:
        """Make the memory ready, on any thread before the first capture, which would otherwise wait for fresh pages."""
        self._whole({})
        for array in self._memory.values():
            np.copyto(array, 0)

    def before(self, key: str) -> None:
        """To be called before a gradient of `key` is handed to the store."""
        self._last.before(key)

    def capture(self, far: Collection[str], whole: bool) -> Capture:
        """Begin a capture, between two steps: of all there is, or if not `whole` of the residuals alone.

        `far` are the parameters whose values are to be fetched from the servers. Auxiliary states, which are small and
        change early in a step, are copied here.
        """
        residuals = self._store.residuals()
        kept = self._room("residual", residuals)
        arrays = self._whole(kept) if whole else Held(residuals=kept)
        for name, copied in arrays.states.items():
            np.copyto(copied, self._states[name])
        # Backwards: gradients come from the last layer first.
        keys = reversed(list(self._weights if whole else residuals))
        self._last = Capture(arrays, keys, partial(self._copy, arrays, residuals, far))
        return self._last

    def close(self) -> None:
        """No copy is made any more when this returns."""
        self._last.close()

    def _whole(self, residuals: ByName) -> Held:
        assert self._store.optimizer is not None
        optimizer_states = {
            key: {
                name: self._like(("state", name, key), self._weights[key]) for name in self._store.optimizer.state_names
            }
            for key in self._learned
        }
        return Held(self._room("weight", self._weights), self._room("aux", self._states), optimizer_states, residuals)

    def _copy(self, arrays: Held, residuals: ByName, far: Collection[str], key: str) -> Wait:
        parts = dict(arrays.optimizer_states.get(key, {}))
        if key in far:
            parts["weight"] = arrays.weights[key]
        wait = self._store.begin_parts(key, parts) if parts else _nothing
        if key in arrays.weights and key not in far:
            np.copyto(arrays.weights[key], self._weights[key])
        if key in residuals:
            np.copyto(arrays.residuals[key], residuals[key])
        return wait

    def _room(self, kind: str, arrays: ByName) -> dict[str, Array]:
        return {name: self._like((kind, name), array) for name, array in arrays.items()}

    def _like(self, what: tuple[str, ...], array: Array) -> Array:
        if what not in self._memory:
            self._memory[what] = np.empty(array.shape, array.dtype)
        return self._memory[what]


def _nothing() -> None:
    """There is nothing to wait for."""
