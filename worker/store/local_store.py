"""The store of a process on its own: the servers' store, without a socket, so both train to the same bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...common.call_table import Row
from ...common.coding import Coding
from ...common.errors import ParameterError
from ...ps.assignment import Part
from ...ps.optimizer import Optimizer
from ...ps.optimizers.base import Descent
from ...ps.row_sparse import RowGradient, update_rows
from ...ps.store import Entry, Store
from ..array import WHOLE, Array, aligned_empty
from .compiled_updates import CompiledUpdates
from .flight import Leg
from .keys import First, KeyInfo
from .kvstore import KVStore
from .session import Session


class KVStoreLocal(KVStore):
    """Updates happen in the thread that pushes; one key must be pushed by one thread at a time.

    Priorities mean nothing here, as nothing waits.
    """

    def __init__(self, kind: str, session: Session) -> None:
        super().__init__(kind, session)
        self._store: Store[str] = Store()
        self._updates = CompiledUpdates()

    def wait(self) -> None:
        """Nothing is ever under way."""

    def close(self) -> None:
        """Free the keys' memory."""
        self._keep_no_more()
        self._store = Store()

    def value(self, key: int | str) -> Array:
        """The key's value (*shape of the key), which pushes update in place. Raises ParameterError for no such key."""
        info = self.keys[key]
        return self._store.entries[info.name].weight.reshape(info.shape)

    def _init(self, items: Sequence[First]) -> None:
        for info, array, lr_mult, wd_mult in items:
            info.parts = [Part(0, 0, info.size)]
            # A copy on a cache line: pushes update it, and the caller's array is the caller's.
            weight = aligned_empty((info.size,), info.dtype)
            weight[:] = array.reshape(-1)
            self._store.add(info.name, Entry(weight, lr_mult, wd_mult, info.name))

    def _give(self, parts: Sequence[tuple[KeyInfo, str, Array]]) -> None:
        for info, part, value in parts:
            target = self._store.entries[info.name].part(part)
            if target is None:
                expected = " or ".join(self._state_names()) or "none without an optimizer"
                raise ParameterError(f"optimizer state {part!r}", expected=expected)
            target[:] = value.reshape(-1)

    def _push(self, info: KeyInfo, array: Array, n: int, lr: float, priority: int) -> None:
        self._check_push(info, array, n)
        rows = (self._compressor.through(info, array) if self._compressor else array).reshape(1, -1)
        info.n = n  # only now: what cannot be encoded has not been pushed
        # A single gradient is only read, except where it becomes a direction whose norm is needed; numba takes no
        # read-only array for one that others may write.
        writes = self.optimizer is not None and self.optimizer.whole
        self._store.push(info.name, rows.copy() if writes or not rows.flags.writeable else rows, lr)

    def update_rows(self, key: int | str, gradient: Array, part: slice = WHOLE) -> list[Row] | None:
        """A compiled update, where the optimizer has one and gradients are not compressed."""
        if self._compressor or not isinstance(self.optimizer, Descent):
            return None
        info = self.keys[key]

        def refuse() -> None:
            self._check_push(info, gradient, info.n + 1)

        check = refuse if self.must_be_finite else None
        return self._updates.rows(self.optimizer, info, self._store.entries[info.name], gradient, part, check)

    def begin_rows(self, lr: float) -> None:
        """Give the rows the step's numbers."""
        if isinstance(self.optimizer, Descent):
            self._updates.begin(self.optimizer, lr)

    def end_rows(self, n: int, lr: float) -> None:
        """Count the updates."""
        self._updates.end(n, lr)

    def _pull(self, info: KeyInfo, out: Array, part: str, priority: int, leg: Leg | None = None) -> None:
        source = self._store.entries[info.name].part(part)
        assert source is not None
        flat = out.reshape(-1)
        if flat.ctypes.data != source.ctypes.data:  # training may use the value itself as its weight
            np.copyto(flat, source)

    def _push_rows(self, info: KeyInfo, gradient: RowGradient, n: int, lr: float, priority: int) -> None:
        self._check_push(info, gradient.rows, n)
        info.n = n
        update_rows(self._store.entries[info.name], self._store.optimizer, [gradient], lr)

    def _pull_rows(self, info: KeyInfo, ids: Array, out: Array, priority: int, leg: Leg | None) -> None:
        # The ids have been checked; with mode "raise" numpy would buffer `out`.
        np.take(self.value(info.key), ids, axis=0, out=out, mode="clip")

    def _agree_on_compression(self, coding: Coding | None) -> None:
        """There is nobody to agree with."""

    def _set_optimizer(self, optimizer: Optimizer) -> None:
        self._store.set_optimizer(optimizer)
