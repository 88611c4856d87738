"""What iterators over pictures share: which pictures make a batch, and having them ready in time."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from ....common.errors import DataError, ParameterError
from ... import random
from ...array import Array, Shape
from ..iterators import DataBatch, DataIter
from ..user_arrays import check_batch_size, check_part
from .decode_ahead import BatchAhead, DecodeThreads
from .pixels import pillow
from .preparation import Preparation


class Picture(NamedTuple):
    """The bytes of a picture's file, its labels, and what an error calls it."""

    content: bytes
    labels: Array
    what: str


class Source(Protocol):
    """Where pictures come from; `read` is called by several threads."""

    label_width: int

    def __len__(self) -> int: ...

    def read(self, index: int) -> Picture:
        """Picture number `index`."""

    def fingerprint(self) -> list[Any]:
        """Equal for equal sources, and cheap."""

    def close(self) -> None:
        """Let go of open files."""


class ImageIter(DataIter):
    """Batches of pictures: data (batch, channels, rows, columns), labels (batch,) or (batch, label_width); float32.

    The pictures of an epoch stand in a row, in an order of their own in each epoch if `shuffle`. The row is cut into
    global batches, and a part of `num_parts` takes its rows of each of them: `batch_size` rows, the same in all parts.
    So the parts have equally many batches, and together they have what a single part with num_parts * batch_size has.
    A short last batch is filled from the beginning of the row (`round_batch`), or left out.

    The order is a function of (seed, epoch), what happens to a picture at random one of (seed, epoch, index).
    Up to `prefetch_buffer` batches are prepared ahead by `preprocess_threads` threads, which begin with the first
    `next` and end with `close`, at the end of a `with`, or when the iterator is dropped.
    """

    def __init__(
        self,
        source: Source,
        data_shape: Sequence[int],
        batch_size: int,
        options: Mapping[str, Any],
        shuffle: bool = False,
        seed: int | None = None,
        round_batch: bool = True,
        num_parts: int = 1,
        part_index: int = 0,
        preprocess_threads: int = 4,
        prefetch_buffer: int = 4,
        data_name: str = "data",
        label_name: str = "softmax_label",
    ) -> None:
        pillow()
        check_part(num_parts, part_index)
        self.num_data, self.batch_size = len(source), check_batch_size(batch_size)
        if self.batch_size * num_parts > self.num_data:
            raise ParameterError(
                "a global batch (batch_size * num_parts) is larger than the data",
                expected=f"at most {self.num_data} (the number of pictures)",
                got=self.batch_size * num_parts,
            )
        if preprocess_threads < 1 or prefetch_buffer < 0:
            raise ParameterError(
                "preprocess_threads and prefetch_buffer",
                expected="1 or more, 0 or more",
                got=(preprocess_threads, prefetch_buffer),
            )
        self.num_parts, self.part_index, self.shuffle, self.round_batch = num_parts, part_index, shuffle, round_batch
        self.seed = random.current_seed() if seed is None else seed
        self._source, self._threads, self._prefetch = source, preprocess_threads, prefetch_buffer
        self._preparation = Preparation(tuple(data_shape), options, type(self).__name__)
        self._shape: Shape = tuple(data_shape)
        labels = () if source.label_width == 1 else (source.label_width,)
        self.provide_data = [(data_name, (self.batch_size, *self._shape))]
        self.provide_label = [(label_name, (self.batch_size, *labels))]
        self._ahead: deque[BatchAhead] = deque()
        self._team: DecodeThreads | None = None
        self._closed = False
        self._orders: dict[int, Array] = {}
        self.seek(0, 0)

    def seek(self, epoch: int, batch: int) -> None:
        """Continue before batch `batch` of epoch `epoch`, both counted from 0."""
        if epoch < 0 or batch < 0:
            raise ParameterError("seek", expected="epoch and batch of 0 or more", got=(epoch, batch))
        self.epoch, self.batch = epoch, batch
        while self._ahead and self._ahead[0].place != (epoch, batch):
            self._ahead.popleft().cancel()

    def reset(self) -> None:
        """Begin the next epoch; nothing if no batch of this one was taken."""
        if self.batch:
            self.seek(self.epoch + 1, 0)

    def reseed(self, seed: int) -> None:
        """Shuffle and augment by another seed from the next batch on."""
        if seed != self.seed:
            self.seed, self._orders = seed, {}
            self._drop_ahead()

    def batches(self, epoch: int = 0) -> int:
        """How many batches an epoch has, the same in all parts."""
        size = self.batch_size * self.num_parts
        return -(-self.num_data // size) if self.round_batch else self.num_data // size

    def fingerprint(self) -> dict[str, Any]:
        """What the workers of a job compare before they train."""
        return {
            "number of pictures": self.num_data,
            "parts and rows of each": [self.num_parts, self.batch_size],
            "order of pictures": [self.shuffle, self.round_batch],
            "pictures": self._source.fingerprint(),
            "augmentation": self._preparation.fingerprint(),
        }

    def next(self) -> DataBatch:
        """The next batch, or StopIteration; DataError or FileFormatError that names the picture that is damaged."""
        if self._closed:
            raise DataError(f"the {type(self).__name__} is closed")
        if self.batch >= self.batches():
            raise StopIteration
        self._work_ahead()
        found = self._ahead.popleft()
        self.batch += 1
        found.wait()
        label = found.label if self._source.label_width > 1 else found.label[:, 0]
        return DataBatch([found.data], [label], found.pad, found.index)

    def close(self) -> None:
        """End the threads and close the file; more than once does no harm."""
        self._closed = True
        self._drop_ahead()
        if self._team is not None and self._team.process == os.getpid():
            self._team.stop()
            self._team.join()
        self._team = None
        self._source.close()

    def __enter__(self) -> ImageIter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work_ahead(self) -> None:
        """Put in the next batch and those to be prepared meanwhile."""
        if self._team is None or self._team.process != os.getpid():  # a forked child has the queues, but no threads
            self._drop_ahead()
            self._team = DecodeThreads(self._threads)
            weakref.finalize(self, self._team.stop).atexit = False
        prepare = _Prepare(self._source, self._preparation, self.seed)
        place = self._ahead[-1].place if self._ahead else (self.epoch, self.batch - 1)
        while len(self._ahead) <= self._prefetch:
            place = self._after(place)
            batch = self._begin(place)
            self._ahead.append(batch)
            self._team.put(batch, prepare.at(place[0]))

    def _after(self, place: tuple[int, int]) -> tuple[int, int]:
        epoch, batch = place
        return (epoch, batch + 1) if batch + 1 < self.batches() else (epoch + 1, 0)

    def _begin(self, place: tuple[int, int]) -> BatchAhead:
        """An empty batch for that epoch and number."""
        first = (place[1] * self.num_parts + self.part_index) * self.batch_size
        rows = np.arange(first, first + self.batch_size)
        pad = min(self.batch_size, max(0, first + self.batch_size - self.num_data))
        index = self._order(place[0])[rows % self.num_data]
        return BatchAhead(place, index, pad, self._shape, self._source.label_width)

    def _order(self, epoch: int) -> Array:
        """The order of the pictures in that epoch."""
        if not self.shuffle:
            epoch = -1
        if epoch not in self._orders:
            self._orders = {e: order for e, order in self._orders.items() if e >= epoch - 1}
            generator = np.random.Generator(np.random.Philox(key=[self.seed % 2**64, max(epoch, 0)]))
            self._orders[epoch] = generator.permutation(self.num_data) if self.shuffle else np.arange(self.num_data)
        return self._orders[epoch]

    def _drop_ahead(self) -> None:
        while self._ahead:
            self._ahead.popleft().cancel()


class _Prepare:
    """Makes rows; knows nothing of the iterator, so that its threads do not keep that alive."""

    def __init__(self, source: Source, preparation: Preparation, seed: int) -> None:
        self._source, self._preparation, self._seed = source, preparation, seed % 2**64
        self._epoch = 0

    def at(self, epoch: int) -> _Prepare:
        """The same for another epoch."""
        other = _Prepare(self._source, self._preparation, self._seed)
        other._epoch = epoch
        return other

    def __call__(self, index: int, data: Array, label: Array) -> None:
        """Read picture `index` and fill its rows."""
        picture = self._source.read(index)
        label[:] = picture.labels
        random = None
        if self._preparation.augmentation.is_random:
            # The order of an epoch comes from the same key; the counter's second word keeps the streams apart.
            random = np.random.Generator(np.random.Philox(key=[self._seed, self._epoch], counter=[0, index + 1, 0, 0]))
        self._preparation.apply(picture.content, random, data, picture.what)
