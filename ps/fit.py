"""What a server holds of one fit: its ranges, each with the gradients that wait in it.

A server is one thread, so nothing here is locked; only the update of a long range is shared out to other threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..common.segment import Segment
from ..common.tensor import Tensor
from ..common.wire import RANGE_ELEMENTS, Frame, WireError
from .blocks import Block
from .ledger import Ledger
from .optimizers.base import Optimizer, Step
from .optimizers.whole_keys import Piece, WholeKey
from .row_sparse import RowGradient, update_rows
from .store import Entry, Store
from .threads import in_slices
from .update import Array, sum_rows

Name = tuple[str, int]  # key, lo
Stall = tuple[int, str, int, tuple[int, ...], tuple[int, ...]]  # fit, key, step, who waits, for whose pushes


class Range(Entry):
    """One range of one key: flat weight and states (n,), one gradient slot per worker, and the ledger.

    The slots are reserved here, so that a push never has to wait for memory: then flow control cannot deadlock, and
    memory does not grow with the number of steps. async and ssp apply each push at once and share one slot.
    """

    def __init__(self, tensor: Tensor, weight: Array, fit: Fit, workers: int, lr_mult: float, wd_mult: float) -> None:
        super().__init__(weight, lr_mult, wd_mult, tensor.key, tensor.lo)
        self.tensor = tensor
        self.ledger = Ledger(workers, fit.mode, fit.staleness)
        self.slots: Array = np.zeros((workers if fit.mode == "sync" else 1, weight.size), weight.dtype)
        self.column = 0  # of the slots, where this range's gradients begin: not 0 in a segment, which has whole keys
        self.segment: str | None = None  # the nonce of the segment in which weight and slots lie
        self._by_rows: dict[int, RowGradient] = {}  # what came by rows for the version under way, by slot
        self.blank = False  # whether the weight has no value yet
        # The parts that `init` has set after the range was there: a repetition must find the same array.
        self.given: dict[str, Array] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of weight, states and gradient slots."""
        return super().nbytes + len(self.slots) * self.weight.nbytes

    def check(self, tensor: Tensor) -> None:
        """Raise WireError unless `tensor` is exactly this range, and rows come only to a range of whole rows."""
        if tensor[:5] != self.tensor[:5]:  # all but `rows`, which differs from message to message
            raise WireError(
                "shape",
                f"key {tensor.key!r}",
                key=tensor.key,
                expected="dtype {1} shape {2} range {3}:{4}".format(*self.tensor),
                got="dtype {1} shape {2} range {3}:{4}".format(*tensor),
            )
        if tensor.rows is not None and tensor.width and (tensor.lo % tensor.width or tensor.hi % tensor.width):
            raise WireError(
                "unsupported",
                "row-sparse values of a range that is cut within a row",
                key=tensor.key,
                remedy="Initialise the key with row_sparse=True",
            )

    def row_ids(self, frame: Frame) -> Array:
        """The rows that a frame names, int64 (k,), counted from this range's first row instead of the key's.

        Raises WireError unless they increase and lie in the range.
        """
        width = max(self.tensor.width, 1)  # a row may have no elements
        ids: Array = np.frombuffer(frame, "<i8") - self.tensor.lo // width
        if ids.size and not (ids[0] >= 0 and ids[-1] < self.weight.size // width and (ids[1:] > ids[:-1]).all()):
            raise WireError("malformed", "row ids must increase and lie in the range", key=self.tensor.key)
        return ids

    def receive(self, rank: int, ids: Array | None, data: Array) -> None:
        """Keep a gradient until its step is complete.

        Without `ids`, `data` (n,) is a whole one and goes into the worker's slot. With `ids` (k,), the rows' data
        (k * width,) are kept as they are, views of the message, and so keep the message's memory until the update.
        """
        if ids is None:
            self.slot(rank)[:] = data
        else:
            self._by_rows[rank if len(self.slots) > 1 else 0] = RowGradient(
                ids, data.reshape(ids.size, max(self.tensor.width, 1))
            )

    def update(self, optimizer: Optimizer | None, lr: float) -> None:
        """Make the next version from the gradients of all slots, only of the rows named if all came by rows.

        Mixed with whole gradients, or for an optimizer that is not lazy, rows are expanded first: then every element
        has a gradient, and weight decay and momentum act on all of them.
        """
        if len(self._by_rows) == len(self.slots) and (optimizer is None or optimizer.lazy):
            by_rows, self._by_rows = self._by_rows, {}
            update_rows(self, optimizer, [by_rows[slot] for slot in range(len(self.slots))], lr)
            return
        self.fill_slots()
        if optimizer is None:
            in_slices(
                self.weight.size, lambda low, high: sum_rows(self.slots, self.weight[low:high], self.column + low)
            )
        else:
            self._apply(optimizer, self.step(optimizer, lr))
        self.updated(lr)

    def fill_slots(self) -> None:
        """Write what came by rows into the slots as whole gradients, with zeros in all other rows."""
        for slot, gradient in self._by_rows.items():
            gradient.expand(self.slot(slot))
        self._by_rows = {}

    def _apply(self, optimizer: Optimizer, step: Step) -> None:
        def update(low: int, high: int) -> None:
            states = {name: state[low:high] for name, state in self.states.items()}
            here = replace(step, lo=step.lo + low) if low else step
            optimizer.apply(self.slots, self.weight[low:high], states, here, self.column + low)

        if optimizer.whole:
            update(0, self.weight.size)
        else:
            in_slices(self.weight.size, update)

    def begin(self, values: Array | None) -> None:
        """Set the first weight (n,); None if it is given, or written into a segment, later."""
        if values is None:
            self.blank = True
        else:
            self.weight[:] = values

    def give(self, part: str, values: Array) -> None:
        """Set a state (n,), or the weight anew, before the first push. A repetition changes nothing."""
        target = self.part(part)
        # Another optimizer's states are other arrays, and get a first value of their own.
        if target is not None and self.given.get(part) is not target and not any(self.ledger.pushed):
            target[:] = values
            self.given[part] = target
            self.blank = self.blank and part != "weight"

    def values(self, part: Array, rows: bytes | None) -> tuple[Tensor, list[Array]]:
        """The tensor and arrays that answer a pull of `part`, the flat weight or a state (n,).

        All of it without a copy, or the ids (k,) of the `rows` that were asked for (int64, counted from this range's
        first), counted as in the key, and their data (k * width,).
        """
        if rows is None:
            return self.tensor, [part]
        ids: Array = np.frombuffer(rows, np.int64)
        width = max(self.tensor.width, 1)
        found = part.reshape(-1, width)[ids] if ids.size else part[:0]
        return self.tensor._replace(rows=ids.size), [ids + self.tensor.lo // width, found.reshape(-1)]

    def slot(self, rank: int) -> Array:
        """Where the gradient of worker `rank` goes: a view, flat (n,), of this range's elements of the slot."""
        slot: Array = self.slots[rank if len(self.slots) > 1 else 0, self.column : self.column + self.weight.size]
        return slot

    def move(self, block: Block, nonce: str) -> None:
        """Keep weight and gradients in this block of the whole key from now on; the weight keeps its value.

        States stay where they are: no worker reads them there.
        """
        weight = block.value[self.tensor.lo : self.tensor.hi]
        if not self.blank:  # else worker 0 writes it
            weight[:] = self.weight
        # Slots need no copying: before the first push there is nothing in them.
        self.weight, self.slots, self.column, self.segment = weight, block.gradients, self.tensor.lo, nonce


def update_together(ranges: Sequence[Range], optimizer: Optimizer | None, lr: float) -> None:
    """Make the next version of all ranges of a key, in the order of their elements, by norms of the whole key."""
    assert isinstance(optimizer, WholeKey)
    for item in ranges:
        item.fill_slots()
    step = ranges[0].step(optimizer, lr)
    optimizer.apply_whole([Piece(item.slots, item.column, item.weight, item.states) for item in ranges], step)
    for item in ranges:
        item.updated(lr)


@dataclass
class Fit:
    """One fit, or one kv.create, of the script. `dropped` are the ranks of the workers that are done with it."""

    mode: str
    staleness: int
    store: Store[Name] = field(default_factory=Store)
    dropped: set[int] = field(default_factory=set)
    segments: dict[str, Segment] = field(default_factory=dict)  # by nonce

    def find(self, tensor: Tensor) -> Range:
        """The range that `tensor` names. Raises WireError if there is none, or if it has another shape or dtype."""
        entry = self.store.entries.get((tensor.key, tensor.lo))
        if not isinstance(entry, Range):
            raise WireError(
                "unknown_key", f"key {tensor.key!r} has not been initialised", key=tensor.key, remedy="init it first"
            )
        entry.check(tensor)
        return entry

    def updated_with(self, entry: Range) -> list[Range]:
        """The ranges that are updated together with `entry`, itself among them, in the order of their elements.

        More than one where the optimizer needs norms of the whole key.
        """
        optimizer = self.store.optimizer
        if optimizer is None or not optimizer.whole or entry.weight.size == math.prod(entry.tensor.shape):
            return [entry]
        ranges = [item for item in self.ranges() if item.tensor.key == entry.tensor.key]
        return sorted(ranges, key=lambda item: item.tensor.lo)

    def require_whole(self, entry: Range) -> None:
        """Raise WireError if the optimizer needs the whole key of `entry` and cannot have it."""
        group, optimizer = self.updated_with(entry), self.store.optimizer
        if optimizer is None or not optimizer.whole:
            return
        if sum(item.weight.size for item in group) < math.prod(entry.tensor.shape):
            raise WireError(
                "optimizer",
                f"key {entry.tensor.key!r}: {optimizer.name} needs the whole key on one server",
                key=entry.tensor.key,
                remedy="Call set_optimizer before init",
            )
        # Only in sync mode has each worker a slot in which a gradient can wait for those of the other ranges.
        if len(group) > 1 and self.mode != "sync":
            raise WireError(
                "optimizer",
                f"key {entry.tensor.key!r}: {optimizer.name} cannot update so long a key in dist_{self.mode}",
                key=entry.tensor.key,
                expected=f"at most {RANGE_ELEMENTS} elements",
                remedy="Use dist_sync",
            )

    def ranges(self) -> Iterator[Range]:
        """All ranges, in the order in which they were initialised."""
        for entry in self.store.entries.values():
            assert isinstance(entry, Range)
            yield entry

    def stalled(self, number: int, now: float, patience: float) -> Iterator[Stall]:
        """Steps that have waited for `patience` seconds, one for each set of workers for whom any does."""
        known: set[tuple[int, ...]] = set()
        for item in self.ranges():
            found = item.ledger.stalled(now, patience)
            if found and tuple(found[1]) not in known:
                known.add(tuple(found[1]))
                yield number, item.tensor.key, item.ledger.version + 1, tuple(found[0]), tuple(found[1])

    def waits(self, number: int, now: float, patience: float) -> str | None:
        """Say for whom the oldest step under way waits, if it has been waiting for `patience` seconds; else None.

        Only the oldest is reported: the others mostly wait for the same workers. `number` is the fit's.
        """
        found = [item.ledger for item in self.ranges() if item.ledger.absent()]
        if not found:
            return None
        oldest = min(found, key=lambda ledger: ledger.since)
        if now - oldest.since < patience:
            return None
        absent = ", ".join(map(str, oldest.absent()))
        return f"fit {number} step {oldest.version + 1} waits for worker {absent}, {now - oldest.since:.0f} s"
