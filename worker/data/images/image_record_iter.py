"""ImageRecordIter: batches of the pictures in a RecordIO file, and the Source that reads its records."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....common.errors import DataError, FileFormatError
from ...array import Array
from ...atomic_files import PathLike
from .image_iter import ImageIter, Picture
from .image_record import unpack
from .records import RecordFile, read_index

# Options of MXNet's iterator about its messages and its memory: scripts that pass them should run here unchanged.
_WITHOUT_EFFECT = ("verbose", "device_id", "ctx")


class ImageRecordIter(ImageIter):
    """Batches of the pictures in a RecordIO file, made by `pushgrad im2rec` or MXNet's im2rec, as ImageIter's.

    Data are (batch, *data_shape), labels (batch,) or (batch, label_width). `path_imgidx` names the index file; without
    it every header of the file is read once. `label_width` is the number of labels of each record. `options` are those
    of Augmentation and Preparation: resize, rand_crop, rand_mirror, random_resized_crop, mean_r, std_r, mean_img,
    scale, ... Raises FileFormatError if a file cannot be read, ParameterError for options out of range or unknown,
    DataError without Pillow. A damaged record is an error of the batch that it belongs to.
    """

    def __init__(
        self,
        path_imgrec: PathLike,
        data_shape: Sequence[int],
        batch_size: int,
        path_imgidx: PathLike | None = None,
        label_width: int = 1,
        shuffle: bool = False,
        seed: int | None = None,
        round_batch: bool = True,
        num_parts: int = 1,
        part_index: int = 0,
        preprocess_threads: int = 4,
        prefetch_buffer: int = 4,
        data_name: str = "data",
        label_name: str = "softmax_label",
        **options: Any,
    ) -> None:
        options = {name: value for name, value in options.items() if name not in _WITHOUT_EFFECT}
        source = _Records(path_imgrec, path_imgidx, label_width)
        try:
            super().__init__(
                source, data_shape, batch_size, options, shuffle, seed, round_batch, num_parts, part_index,
                preprocess_threads, prefetch_buffer, data_name, label_name,
            )  # fmt: skip
        except BaseException:  # nobody else could close the file of an iterator that was never made
            source.close()
            raise


class _Records:
    """A Source: the pictures of a RecordIO file, in the file's order or that of its index."""

    def __init__(self, path: PathLike, index: PathLike | None, label_width: int) -> None:
        self.label_width = label_width
        self._file = RecordFile(path)
        try:
            self._offsets = self._file.offsets() if index is None else self._indexed(index)
            if not len(self._offsets):
                raise FileFormatError(f"{index or path} has no records")
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._offsets)

    def read(self, index: int) -> Picture:
        """Record `index`, counted from 0.

        Raises FileFormatError if it is damaged, DataError if it has another number of labels than `label_width`.
        """
        offset = int(self._offsets[index])
        what = f"{self._file.path}, record {index} at byte {offset}"
        content, _ = self._file.read(offset)
        try:
            header, picture = unpack(content)
        except FileFormatError as error:
            raise FileFormatError(f"{what}: {error}") from None
        labels = np.atleast_1d(np.asarray(header.label, np.float32))
        if labels.size != self.label_width:
            raise DataError(f"{what}: number of labels", expected=f"{self.label_width} (label_width)", got=labels.size)
        return Picture(picture, labels, what)

    def fingerprint(self) -> list[Any]:
        """The file's size, a checksum of its records' offsets, and label_width; the pictures are not read."""
        return [self._file.size, zlib.crc32(self._offsets.tobytes()), self.label_width]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _indexed(self, path: PathLike) -> Array:
        """The offsets in an index file: int64 (records,).

        Raises FileFormatError unless the record at the largest offset is the last one of this file. That catches the
        index of another file without reading every header.
        """
        offsets = np.fromiter(read_index(path).values(), np.int64)
        if len(offsets) and self._file.check(int(offsets.max())) != self._file.size:
            raise FileFormatError(
                f"{path} does not belong to {self._file.path}, which goes on after the last record of the index",
                remedy="Make both files again",
            )
        return offsets
