"""What the local and the distributed store do differently: the methods on which all others of `KVStore` stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from ...common.coding import Coding
from ...common.errors import DataError, ParameterError
from ...ps.optimizer import Optimizer
from ...ps.row_sparse import RowGradient
from ..array import Array
from .compression import Compressor
from .finite import REMEDY, flaw
from .flight import Leg
from .keys import First, KeyInfo, KeyTable
from .session import Session


class StoreKind(ABC):
    """Keys, optimizer and compression of a store, and what each kind must be able to do with a key.

    Arrays are contiguous, of the key's shape and dtype; those of rows are (k, width), with ids (k,), int64, increasing.
    """

    is_distributed = False
    must_be_finite = True  # whether a push of NaN or infinity is refused
    staleness = 0  # by how many steps a worker may be ahead of the slowest, in dist_ssp

    def __init__(self, kind: str, session: Session) -> None:
        self.type, self.session = kind, session
        self.fit = session.next_fit()
        self.optimizer: Optimizer | None = None
        self.keys = KeyTable()
        self.compression_params: Any = None  # as `set_gradient_compression` was given them
        self._compressor: Compressor | None = None

    def __repr__(self) -> str:
        place = f"worker {self.session.rank} of {self.session.num_workers}"
        updates = self.optimizer.name if self.optimizer else "keeps sums"
        return f"<KVStore {self.type}: {place}, {len(self.keys)} keys, {updates}>"

    @property
    def is_exact(self) -> bool:
        """Whether a value is that of one step: not so where pushes are applied as they come."""
        return self.type not in ("dist_async", "dist_ssp")

    @abstractmethod
    def _init(self, items: Sequence[First]) -> None:
        """Give new keys their first values."""

    @abstractmethod
    def _give(self, parts: Sequence[tuple[KeyInfo, str, Array]]) -> None:
        """Give keys that nobody has pushed other values (part "weight"), and states of the optimizer, by their names,
        first ones. In a job they are rank 0's.
        """

    @abstractmethod
    def _push(self, info: KeyInfo, array: Array, n: int, lr: float, priority: int) -> None:
        """Hand in the gradient of step `n`; it may be read until `wait` has returned."""

    @abstractmethod
    def _pull(self, info: KeyInfo, out: Array, part: str, priority: int, leg: Leg | None = None) -> None:
        """Have the value (`part` "weight") or the optimizer's state `part` in `out` when `wait` returns.

        With `leg`, which `_leg` has made, it is there when `_wait_for(leg)` returns.
        """

    @abstractmethod
    def _push_rows(self, info: KeyInfo, gradient: RowGradient, n: int, lr: float, priority: int) -> None:
        """As `_push`, for some rows of a row-sparse key."""

    @abstractmethod
    def _pull_rows(self, info: KeyInfo, ids: Array, out: Array, priority: int, leg: Leg | None) -> None:
        """Have the rows `ids` of the value in `out` when `_wait_for(leg)` returns, of a row-sparse key or another."""

    @abstractmethod
    def _agree_on_compression(self, coding: Coding | None) -> None:
        """Raise DataError if another worker wants to compress otherwise."""

    @abstractmethod
    def _set_optimizer(self, optimizer: Optimizer) -> None:
        """Have values updated by `optimizer` from now on."""

    def _leg(self) -> Leg | None:
        """What counts the pulls of one call, so that it waits for these alone; None where nothing is waited for."""
        return None

    def _wait_for(self, leg: Leg | None) -> None:  # noqa: B027
        """Block until the pulls of `leg` are done: not for what other threads push and pull of other keys."""

    def flaw(self, gradient: Array) -> str | None:
        """What a float gradient of any shape has that must not be pushed: "NaN", "an infinite value" or, with
        compression, one that is too large for it; None if it has nothing of the kind.
        """
        return flaw(gradient) or (self._compressor.flaw(gradient) if self._compressor else None)

    def _own(self, info: KeyInfo, total: Array) -> Array:
        """`total` in memory that the caller does not write, so that the push may go on when this returns."""
        return total

    def _state_names(self) -> tuple[str, ...]:
        return self.optimizer.state_names if self.optimizer else ()

    def _check_push(self, info: KeyInfo, array: Array, n: int) -> None:
        """Check the push of step `n`. Counts nothing: a push that is refused, here or when it is encoded, leaves the
        key as it was, and the next one has the same number.

        Raises ParameterError if that is not the next step or an optimizer cannot take values of this dtype, DataError
        if one is NaN or infinite.
        """
        if n != info.n + 1:
            raise ParameterError(f"key {info.key!r}: step of a push", expected=info.n + 1, got=n)
        if array.dtype.kind != "f":
            if self.optimizer is not None:
                raise ParameterError(f"key {info.key!r}: an optimizer needs float values", got=array.dtype)
        elif self.must_be_finite and (found := flaw(array)):
            raise DataError(
                f"worker {self.session.rank}: the gradient of key {info.key!r} at step {n} has {found}",
                remedy=REMEDY,
            )
