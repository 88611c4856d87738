"""The interface of data iterators, which is MXNet's: what a batch is, and how one is asked for.

A batch is global: `batch_size` examples of the whole job, of which each worker takes its share. An iterator that
yields only a worker's own part of the data says so with `num_parts` above 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...common.errors import DataError
from ..array import Array, Shape


@dataclass
class DataBatch:
    """One global batch: arrays of shape (batch_size, ...), the first axis being the example.

    The last `pad` rows only fill the batch up: training uses them and training metrics count them, but predict and
    score leave them out. `index` (batch_size,) holds each row's place in the data set, or is None if that is not
    known. The arrays are not reused as long as anybody keeps them. They may be views of the data set,
    so do not write to them.
    """

    data: list[Array]
    label: list[Array] = field(default_factory=list)
    pad: int = 0
    index: Array | None = None


class DataDesc(tuple[str, Shape]):
    """Name and shape of an array of a batch, as MXNet describes it: a pair that also has `dtype` and `layout`."""

    dtype: Any
    layout: str

    def __new__(cls, name: str, shape: Sequence[int], dtype: Any = np.float32, layout: str = "NCHW") -> DataDesc:
        """A pair of `name` and `shape`, batch axis included."""
        made = super().__new__(cls, (name, tuple(shape)))
        made.dtype, made.layout = dtype, layout
        return made

    @property
    def name(self) -> str:
        """The array's name."""
        return self[0]

    @property
    def shape(self) -> Shape:
        """Its shape, batch axis included."""
        return self[1]

    def __repr__(self) -> str:
        return f"DataDesc[{self.name},{self.shape},{np.dtype(self.dtype)},{self.layout}]"


class DataIter:
    """Base class of iterators. A subclass defines `reset`, and `next` or, as in MXNet, `iter_next` and `getdata`.

    With `iter_next` it may define `getlabel`, `getpad` and `getindex` as well; otherwise these five give the batch that
    `next` has made, so that any iterator can be asked in either way. With `seek(epoch, batch)`, a training can continue
    in the middle of an epoch. `provide_data` and `provide_label` list the name and shape of each array of a batch,
    batch axis included, as pairs or DataDesc. Part `part_index` of `num_parts` is what it yields. Every batch is
    compared with that before it is used.
    """

    batch_size: int
    num_parts: int = 1
    part_index: int = 0
    provide_data: list[tuple[str, Shape]]
    provide_label: list[tuple[str, Shape]]
    _batch: DataBatch | None = None  # the one that iter_next has made by next

    def __init__(self, batch_size: int = 0) -> None:
        """`batch_size` 0 leaves it to the subclass."""
        if batch_size:
            self.batch_size = batch_size

    def next(self) -> DataBatch:
        """The next batch of this epoch. Raises StopIteration after the last one."""
        if self._is_by_next():
            raise NotImplementedError(f"{type(self).__name__} defines neither next nor iter_next")
        if not self.iter_next():
            raise StopIteration
        return DataBatch(self.getdata(), self.getlabel(), self.getpad(), self.getindex())

    def reset(self) -> None:
        """Begin the next epoch. Does nothing if no batch of the current epoch was taken yet."""
        raise NotImplementedError(f"{type(self).__name__} does not define reset")

    def hard_reset(self) -> None:
        """Begin a pass at the first row of the data: `reset`, unless epochs may begin with rows of the last one."""
        self.reset()

    def iter_next(self) -> bool:
        """Go on to the next batch of this epoch; False after the last one."""
        self._batch = next(self, None)
        return self._batch is not None

    def getdata(self) -> list[Array]:
        """The data arrays (batch_size, ...) of the batch that `iter_next` went to."""
        return self._current().data

    def getlabel(self) -> list[Array]:
        """The label arrays (batch_size, ...) of that batch; empty without labels."""
        return self._current().label if self._is_by_next() else []

    def getpad(self) -> int:
        """How many of its last rows only fill it up."""
        return self._current().pad if self._is_by_next() else 0

    def getindex(self) -> Array | None:
        """Each row's place in the data set, or None."""
        return self._current().index if self._is_by_next() else None

    def reseed(self, seed: int) -> None:
        """Take over rank 0's seed for shuffling and augmentation. Iterators without randomness need not define it."""

    def fingerprint(self) -> dict[str, Any]:
        """What must be equal on all workers of a job, by the names that an error uses; for JSON, and cheap to find."""
        return {}

    def __iter__(self) -> Iterator[DataBatch]:
        return self

    def __repr__(self) -> str:
        # A subclass may not have set them yet, as in the middle of its own constructor.
        arrays = [*getattr(self, "provide_data", ()), *getattr(self, "provide_label", ())]
        part = f", part {self.part_index} of {self.num_parts}" if self.num_parts > 1 else ""
        shown = ", ".join(f"{name} {tuple(shape)}" for name, shape in arrays) or "without arrays"
        return f"<{type(self).__name__} {shown}{part}>"

    def __next__(self) -> DataBatch:
        return self.next()

    def _is_by_next(self) -> bool:
        """Whether batches come from the subclass's `next`, and not from its own `iter_next`."""
        return type(self).iter_next is DataIter.iter_next

    def _current(self) -> DataBatch:
        if self._batch is None:
            raise DataError(
                f"{type(self).__name__}: there is no batch", remedy="Call iter_next first, which returns True"
            )
        return self._batch
