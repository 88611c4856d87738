"""Batches of the pictures in a folder of class folders."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....common.errors import DataError
from ...atomic_files import PathLike
from .class_folders import find_pictures
from .image_iter import ImageIter, Picture


class ImageFolderIter(ImageIter):
    """Batches of the pictures in a folder of class folders: data (batch, *data_shape), labels (batch,), as ImageIter's.

    `classes` lists the folders' names in alphabetical order; a label is an index into it. `options` are those of
    Augmentation and Preparation. Raises DataError if `path` is not a folder or has no pictures, ParameterError for
    options out of range or unknown, FileFormatError for `mean_img`. A damaged picture is an error of its batch.
    """

    def __init__(
        self,
        path: PathLike,
        data_shape: Sequence[int],
        batch_size: int,
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
        source = _Files(path)
        self.classes = source.classes
        super().__init__(
            source, data_shape, batch_size, options, shuffle, seed, round_batch, num_parts, part_index,
            preprocess_threads, prefetch_buffer, data_name, label_name,
        )  # fmt: skip


class _Files:
    """A Source: picture files and their classes. A file is opened only when its picture is read."""

    label_width = 1

    def __init__(self, root: PathLike) -> None:
        self._root = Path(root)
        self.classes, self._files = find_pictures(root)
        if not self._files:
            raise DataError(f"{root} has no pictures in folders of classes")

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> Picture:
        """Picture `index`, counted from 0. Raises DataError if its file cannot be read."""
        name, label = self._files[index]
        try:
            content = (self._root / name).read_bytes()
        except OSError as error:
            raise DataError(f"{self._root / name} cannot be read: {error.strerror}") from None
        return Picture(content, np.asarray([label], np.float32), str(self._root / name))

    def fingerprint(self) -> list[Any]:
        """A checksum of all names and labels; the pictures themselves are not read."""
        # Names that are not UTF-8 come with surrogates, which plain encode() would refuse.
        return [zlib.crc32(repr(self._files).encode(errors="surrogateescape"))]

    def close(self) -> None:
        """Do nothing: no file stays open between reads."""
