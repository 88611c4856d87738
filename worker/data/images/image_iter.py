"""What iterators over pictures share: which pictures make up a batch, and preparing them ahead of time.

A Source reads pictures, a Preparation makes rows of them, DecodeThreads do both in the background, and ImageIter
decides what they work on.
"""

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
from ..data_iter import DataBatch, DataIter
from ..user_arrays import check_batch_size, check_part, check_seed
from .decode_ahead import BatchAhead, DecodeThreads
from .mean_image import make_mean_image
from .pixels import pillow
from .preparation import Preparation


class Picture(NamedTuple):
    """The bytes of a picture's file, its labels (float32 of shape (label_width,)), and what an error calls it."""

    content: bytes
    labels: Array
    what: str


class Source(Protocol):
    """Where pictures come from; its length is their number. `label_width` is the number of labels of each picture."""

    label_width: int

    def __len__(self) -> int: ...

    def read(self, index: int) -> Picture:
        """Picture `index`, from 0; several threads call this at once. Raises DataError or FileFormatError."""

    def fingerprint(self) -> list[Any]:
        """Values for JSON that are equal for equal sources, and cheap to find: no picture is read for them."""

    def close(self) -> None:
        """Close open files. ImageIter calls this after its threads have ended."""


class ImageIter(DataIter):
    """Batches of pictures: data (batch, channels, rows, columns), labels (batch,) or (batch, label_width); float32.

    The order of an epoch (with `shuffle` every epoch has its own) is cut into global batches of num_parts * batch_size
    pictures, and each part takes its `batch_size` rows of every one. So all parts have equally many batches, and
    together they have what a single part with that larger batch has. A short last batch is filled from the beginning of
    the order (`round_batch`), or left out.

    The order depends only on (seed, epoch), and what is random about a picture only on (seed, epoch, index).
    Up to `prefetch_buffer` batches are prepared ahead by `preprocess_threads` threads, which start with the first
    `next` and end with `close`, at the end of a `with`, or when the iterator is no longer used. Raises DataError
    without Pillow, ParameterError for options out of range, FileFormatError for `mean_img`, which is made of all
    pictures if there is no such file.
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
        pillow()  # if it is missing, say so now and not from a thread, with the first batch
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
        self.seed = random.current_seed() if seed is None else check_seed(seed)
        self._source, self._threads, self._prefetch = source, preprocess_threads, prefetch_buffer
        make_mean_image(source, tuple(data_shape), options, type(self).__name__, preprocess_threads)
        self._preparation = Preparation(tuple(data_shape), options, type(self).__name__)
        self._shape: Shape = tuple(data_shape)
        labels = () if source.label_width == 1 else (source.label_width,)  # as in MXNet, one label is not an axis
        self.provide_data = [(data_name, (self.batch_size, *self._shape))]
        self.provide_label = [(label_name, (self.batch_size, *labels))]
        self._ahead: deque[BatchAhead] = deque()
        self._team: DecodeThreads | None = None
        self._closed = False
        self._orders: dict[int, Array] = {}
        self.seek(0, 0)

    def seek(self, epoch: int, batch: int) -> None:
        """Make batch `batch` of epoch `epoch`, both counted from 0, the next one. Raises ParameterError if negative."""
        if epoch < 0 or batch < 0:
            raise ParameterError("seek", expected="epoch and batch of 0 or more", got=(epoch, batch))
        self.epoch, self.batch = epoch, batch
        # The batches prepared ahead are consecutive. Going a little forward, as `reset` does after the last batch,
        # keeps those from the wanted place on; if it is not among them, all are cancelled.
        while self._ahead and self._ahead[0].place != (epoch, batch):
            self._ahead.popleft().cancel()

    def reset(self) -> None:
        """Begin the next epoch. Does nothing if no batch of the current epoch was taken yet."""
        if self.batch:
            self.seek(self.epoch + 1, 0)

    def reseed(self, seed: int) -> None:
        """Shuffle and augment with another seed from the next batch on; batches prepared ahead are dropped."""
        if seed != self.seed:
            self.seed, self._orders = seed, {}
            self._drop_ahead()

    def batches(self, epoch: int = 0) -> int:
        """The number of batches of an epoch, equal in all parts and epochs."""
        size = self.batch_size * self.num_parts
        return -(-self.num_data // size) if self.round_batch else self.num_data // size

    def fingerprint(self) -> dict[str, Any]:
        """What the workers of a job compare before they train: sizes, parts, order, source and augmentation."""
        return {
            "number of pictures": self.num_data,
            "parts and rows of each": [self.num_parts, self.batch_size],
            "order of pictures": [self.shuffle, self.round_batch],
            "pictures": self._source.fingerprint(),
            "augmentation": self._preparation.fingerprint(),
        }

    def next(self) -> DataBatch:
        """The next batch of this epoch, once it is ready. Raises StopIteration after the last one.

        Raises DataError or FileFormatError, which names the picture, if one of its pictures is damaged, and DataError
        after `close`.
        """
        if self._closed:
            raise DataError(f"the {type(self).__name__} is closed")
        if self.batch >= self.batches():
            raise StopIteration
        self._work_ahead()
        found = self._ahead.popleft()
        self.batch += 1  # before waiting: after an error the caller can go on with the batch after this one
        found.wait()
        label = found.label if self._source.label_width > 1 else found.label[:, 0]
        return DataBatch([found.data], [label], found.pad, found.index)

    def close(self) -> None:
        """End the threads and close the source. Closing again does nothing."""
        self._closed = True
        # Cancel the rows, then end the threads, then close the file: no thread may read from it afterwards.
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
        """Have the next batch and up to `prefetch_buffer` batches after it prepared; starts the threads if needed."""
        if self._team is None or self._team.process != os.getpid():  # a forked child has the queues, but no threads
            self._drop_ahead()
            self._team = DecodeThreads(self._threads)
            # Not at exit: decode_ahead stops the teams there itself and also waits for their threads.
            weakref.finalize(self, self._team.stop).atexit = False
        prepare = _Prepare(self._source, self._preparation, self.seed)
        place = self._ahead[-1].place if self._ahead else (self.epoch, self.batch - 1)
        # `<=`: the batch that is taken next does not count as one ahead.
        while len(self._ahead) <= self._prefetch:
            place = self._after(place)
            batch = self._begin(place)
            self._ahead.append(batch)
            self._team.put(batch, prepare.at(place[0]))

    def _after(self, place: tuple[int, int]) -> tuple[int, int]:
        """The (epoch, batch) after that one; preparing ahead goes on into the next epoch."""
        epoch, batch = place
        return (epoch, batch + 1) if batch + 1 < self.batches() else (epoch + 1, 0)

    def _begin(self, place: tuple[int, int]) -> BatchAhead:
        """An empty batch for place = (epoch, batch), with the pictures of its rows chosen."""
        first = (place[1] * self.num_parts + self.part_index) * self.batch_size
        rows = np.arange(first, first + self.batch_size)
        pad = min(self.batch_size, max(0, first + self.batch_size - self.num_data))
        index = self._order(place[0])[rows % self.num_data]
        return BatchAhead(place, index, pad, self._shape, self._source.label_width)

    def _order(self, epoch: int) -> Array:
        """The order of the pictures in that epoch: int64 (pictures,)."""
        if not self.shuffle:
            epoch = -1  # one order for all epochs
        if epoch not in self._orders:
            # An order takes 8 bytes a picture, so those of epochs long past are dropped.
            self._orders = {e: order for e, order in self._orders.items() if e >= epoch - 1}
            # Philox is counter-based: the order depends on (seed, epoch) and not on what was drawn before.
            generator = np.random.Generator(np.random.Philox(key=[self.seed % 2**64, max(epoch, 0)]))
            self._orders[epoch] = generator.permutation(self.num_data) if self.shuffle else np.arange(self.num_data)
        return self._orders[epoch]

    def _drop_ahead(self) -> None:
        """Cancel all batches that are prepared ahead."""
        while self._ahead:
            self._ahead.popleft().cancel()


class _Prepare:
    """Makes rows of one epoch. It holds no reference to the iterator, or the threads would keep that alive."""

    def __init__(self, source: Source, preparation: Preparation, seed: int) -> None:
        self._source, self._preparation, self._seed = source, preparation, seed % 2**64
        self._epoch = 0

    def at(self, epoch: int) -> _Prepare:
        """A copy for another epoch. Batches of two epochs may be under way at once, so this one stays as it is."""
        other = _Prepare(self._source, self._preparation, self._seed)
        other._epoch = epoch
        return other

    def __call__(self, index: int, data: Array, label: Array) -> None:
        """Read picture `index`; fill its row of data (channels, rows, columns) and of labels (label_width,)."""
        picture = self._source.read(index)
        label[:] = picture.labels
        random = None
        if self._preparation.augmentation.is_random:
            # A stream per picture, so that it does not matter which thread or worker prepares it, or when. The order of
            # the epoch comes from the same key with a counter of 0; the counter's second word keeps the streams apart.
            random = np.random.Generator(np.random.Philox(key=[self._seed, self._epoch], counter=[0, index + 1, 0, 0]))
        self._preparation.apply(picture.content, random, data, picture.what)
