"""NDArrayIter, the iterator over arrays in memory."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from ...common.errors import DataError, ParameterError
from .. import random
from ..array import Array, Shape
from .data_iter import DataBatch, DataIter
from .taken_batch import TakenBatch
from .user_arrays import Source, check_batch_size, check_seed, common_length, named_arrays

LAST_BATCH = ("pad", "discard", "roll_over")


class NDArrayIter(DataIter):
    """Batches of rows of arrays in memory, kept as float32: each batch array has shape (batch_size, ...).

    `data` and `label` are arrays, lists of arrays or dicts by name, all of shape (examples, ...). With `shuffle`
    every epoch has its own order, which depends only on (`seed`, epoch). A short last batch is filled from the
    epoch's first rows ("pad"), left out ("discard"), or its rows begin the next epoch ("roll_over"). Raises DataError
    if arrays cannot be used or differ in length, ParameterError for names used twice and options out of range.
    """

    def __init__(
        self,
        data: Source,
        label: Source = None,
        batch_size: int = 1,
        shuffle: bool = False,
        last_batch_handle: str = "pad",
        data_name: str = "data",
        label_name: str = "softmax_label",
        seed: int | None = None,
    ) -> None:
        self._data = named_arrays(data, data_name)
        self._label = named_arrays(label, label_name)
        if not self._data:
            raise DataError("NDArrayIter: no data", expected="an array, a list of arrays or a dict", got=repr(data))
        if twice := self._data.keys() & self._label.keys():
            raise ParameterError("NDArrayIter: one name for data and label", got=", ".join(sorted(twice)))
        self.num_data = common_length(self._data | self._label)
        self.batch_size = check_batch_size(batch_size, self.num_data)
        if last_batch_handle not in LAST_BATCH:
            raise ParameterError("last_batch_handle", expected=" or ".join(LAST_BATCH), got=repr(last_batch_handle))
        self.shuffle, self.last_batch_handle = shuffle, last_batch_handle
        self.seed = random.current_seed() if seed is None else check_seed(seed)
        self._orders: dict[int, Array] = {}
        self.seek(0, 0)

    @property
    def provide_data(self) -> list[tuple[str, Shape]]:  # type: ignore[override]
        """Name and shape (batch_size, ...) of each data array."""
        return self._shapes(self._data)

    @property
    def provide_label(self) -> list[tuple[str, Shape]]:  # type: ignore[override]
        """Name and shape (batch_size, ...) of each label array; empty without labels."""
        return self._shapes(self._label)

    def fingerprint(self) -> dict[str, Any]:
        """Size, order and checksums of the data, which all workers must share; {} for a part, since parts differ."""
        if self.num_parts > 1:
            return {}
        return {
            "number of examples": self.num_data,
            "order of examples": [self.shuffle, self.last_batch_handle],
            "data checksum": [
                # cast("B") lets crc32 read the array's memory; tobytes() would copy the whole data set.
                zlib.crc32(np.ascontiguousarray(array).data.cast("B"))
                for array in (*self._data.values(), *self._label.values())
            ],
        }

    def reseed(self, seed: int) -> None:
        """Shuffle with another seed from the next batch on."""
        self.seed = seed
        self._orders = {}

    def seek(self, epoch: int, batch: int) -> None:
        """Make batch `batch` of epoch `epoch`, both counted from 0, the next one. Raises ParameterError if negative."""
        if epoch < 0 or batch < 0:
            raise ParameterError("seek", expected="epoch and batch of 0 or more", got=(epoch, batch))
        self.epoch, self.batch = epoch, batch
        # The order of the epoch before is kept because roll_over begins an epoch with that one's last rows.
        self._orders = {e: order for e, order in self._orders.items() if e in (epoch - 1, epoch)}

    def reset(self) -> None:
        """Begin the next epoch. Does nothing if no batch of the current epoch was taken yet."""
        if self.batch:
            self.seek(self.epoch + 1, 0)

    def hard_reset(self) -> None:
        """Begin a pass at the first row, without rows that "roll_over" would have kept. As MXNet's."""
        if self.last_batch_handle == "roll_over":
            self.seek(0, 0)
        else:
            self.reset()

    def batches(self, epoch: int) -> int:
        """The number of batches of that epoch; only with "roll_over" does it differ between epochs."""
        if self.last_batch_handle == "pad":
            return -(-self.num_data // self.batch_size)
        if self.last_batch_handle == "discard":
            return self.num_data // self.batch_size
        # Batches that are full by the end of this epoch, less those that were full by the end of the one before.
        return (epoch + 1) * self.num_data // self.batch_size - epoch * self.num_data // self.batch_size

    def next(self) -> DataBatch:
        """The next batch of this epoch. Raises StopIteration after the last one."""
        batch = self.taken()
        if batch is None:
            raise StopIteration
        # Gathered now: the caller may keep the batch, and change the arrays.
        return DataBatch(batch.data, batch.label, batch.pad, batch.index)

    def taken(self) -> DataBatch | None:
        """The same for whoever uses it at once: a TakenBatch unless the rows follow each other. None after the last."""
        if self.batch >= self.batches(self.epoch):
            return None
        rows, pad = self._rows(self.batch)
        self.batch += 1
        data, label = list(self._data.values()), list(self._label.values())
        take = self._slice(rows) if not self.shuffle else None
        if take is not None:
            return DataBatch([array[take] for array in data], [array[take] for array in label], pad, rows)
        return TakenBatch(data, label, pad, rows)

    def arrays(self) -> tuple[list[Array], list[Array]]:
        """The whole data set: data and label arrays (examples, ...) in a batch's order, to gather batches from."""
        return list(self._data.values()), list(self._label.values())

    def upcoming(self) -> Array:
        """Places in the data set of the rows of all batches left in this epoch: int64 (batches, batch_size)."""
        rows = [self._rows(batch)[0] for batch in range(self.batch, self.batches(self.epoch))]
        return np.array(rows, np.int64).reshape(-1, self.batch_size)

    def skip(self) -> None:
        """Advance by one batch, as `next` does, without gathering it."""
        self.batch += 1

    def _rows(self, batch: int) -> tuple[Array, int]:
        """Places in the data set of that batch's rows (batch_size,), and how many of the last ones are fillers."""
        size, total = self.batch_size, self.num_data
        order = self._order(self.epoch)
        if self.last_batch_handle == "roll_over":
            # The orders of all epochs, one after the other, form one stream that is cut into batches of equal size.
            # `first` is where this batch begins in this epoch's order; below 0 are rows of the last epoch's end.
            first = (self.epoch * total // size + batch) * size - self.epoch * total
            if first < 0:
                return np.concatenate([self._order(self.epoch - 1)[first:], order[: first + size]]), 0
            return order[first : first + size], 0
        first = batch * size
        pad = max(0, first + size - total)
        return np.concatenate([order[first : first + size], order[:pad]]) if pad else order[first : first + size], pad

    def _order(self, epoch: int) -> Array:
        """The order of the rows in that epoch: int64 (examples,)."""
        if epoch not in self._orders:
            if self.shuffle:
                # A counter-based generator keyed by (seed, epoch): no epoch's order depends on earlier draws, so `seek`
                # can go anywhere and all workers agree.
                key = np.array([self.seed % 2**64, epoch], np.uint64)
                generator = np.random.Generator(np.random.Philox(key=key))
                self._orders[epoch] = generator.permutation(self.num_data)
            else:
                self._orders[epoch] = np.arange(self.num_data)
        return self._orders[epoch]

    def _slice(self, rows: Array) -> slice | None:
        """Unshuffled rows as a slice, so that a batch is a view and not a copy; None where they wrap around."""
        first, last = int(rows[0]), int(rows[-1])
        return slice(first, last + 1) if last - first + 1 == len(rows) else None

    def _shapes(self, arrays: dict[str, Array]) -> list[tuple[str, Shape]]:
        return [(name, (self.batch_size, *array.shape[1:])) for name, array in arrays.items()]
