"""Files in the idx format of the MNIST data, plain or gzipped, and an iterator over a pair of them."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from ...common.errors import DataError, FileFormatError, ParameterError
from ...common.foreign import reading
from ..array import Array, Shape
from .iterators import NDArrayIter
from .user_arrays import check_batch_size, check_part

# Third byte of the file -> element type, as yann.lecun.com/exdb/mnist defines the format; numbers are big-endian.
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
# Bounds the product of a shape's extents other than 0: without elements there are no bytes of the file to check the
# others against, and numpy cannot make an array whose extents overflow.
_MOST_ELEMENTS = 1 << 48
_CHUNK = 1 << 20  # bytes read at once
_REMEDY = "Fetch it again; it should be an idx file such as train-images-idx3-ubyte.gz"

PathLike = str | os.PathLike[str]


class MNISTIter(NDArrayIter):
    """Batches of idx files: data (batch, 1, rows, columns), or (batch, rows * columns) with `flat`; labels (batch,).

    Pixels are divided by 256, as in MXNet. `shuffle` chooses one order, by `seed`, which as in MXNet all epochs share:
    so what two passes give, predictions and labels, belongs together. `input_shape` is the shape of an example where it
    is to differ, such as (784,). `silent`, of MXNet's scripts, has no effect. With `num_parts` above 1 this is part
    `part_index` of the data: all parts have equally many consecutive images and so equally many batches, the remainder
    is left out, and `batch_size` is one part's. Raises FileFormatError if a file cannot be read, DataError if images
    and labels do not belong together, ParameterError for options out of range.
    """

    def __init__(
        self,
        image: PathLike,
        label: PathLike,
        batch_size: int = 128,
        shuffle: bool = True,
        flat: bool = False,
        seed: int | None = None,
        num_parts: int = 1,
        part_index: int = 0,
        last_batch_handle: str = "pad",
        input_shape: int | Sequence[int] | None = None,
        silent: bool = False,
        data_name: str = "data",
        label_name: str = "softmax_label",
    ) -> None:
        check_batch_size(batch_size)
        check_part(num_parts, part_index)
        images, labels = read_idx(image), read_idx(label)
        if images.ndim != 3:
            raise DataError(f"{image}", expected="images, an idx file of 3 dimensions", got=f"shape {images.shape}")
        if not images.size:
            raise DataError(f"{image} has no pixels", got=f"shape {images.shape}")
        if labels.shape != images.shape[:1]:
            raise DataError(f"{label}", expected=f"{len(images)} labels, one per image", got=f"shape {labels.shape}")
        # Equal parts, so that all workers take equally many steps: none may wait for gradients that never come.
        each = len(images) // num_parts
        rows = slice(part_index * each, (part_index + 1) * each)
        pixels = images[rows].reshape(-1, *_example_shape(images.shape[1:], flat, input_shape)).astype(np.float32)
        pixels *= np.float32(1 / 256)  # exact, as 1/256 is a power of two
        super().__init__(pixels, labels[rows], batch_size, shuffle, last_batch_handle, data_name, label_name, seed)
        self.num_parts, self.part_index = num_parts, part_index

    def _order(self, epoch: int) -> Array:
        return super()._order(0)


def _example_shape(picture: Shape, flat: bool, wanted: int | Sequence[int] | None) -> Shape:
    """The shape of an example for pictures (rows, columns). Raises ParameterError if `wanted` does not fit."""
    pixels = math.prod(picture)
    usual = (pixels,) if flat else (1, *picture)
    given = usual if wanted is None else wanted
    shape = (given,) if isinstance(given, int) else tuple(given)
    if math.prod(shape) != pixels or (flat and len(shape) != 1):
        raise ParameterError(
            "MNISTIter: input_shape", expected=f"{usual}, or another shape of {pixels} pixels", got=shape
        )
    return shape


def read_idx(path: PathLike) -> Array:
    """The array in an idx file, of the shape and element type that its header gives, in native byte order.

    A gzip file is recognised by its first bytes, whatever its name. Raises FileFormatError, which names the file, if
    it is missing, not an idx file, truncated or longer than its header says.
    """
    with reading(path, remedy=_REMEDY), Path(path).open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not zipped:
            return _read(raw, str(path))
        try:
            return _read(gzip.GzipFile(fileobj=raw), str(path))  # type: ignore[arg-type]
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileFormatError(f"{path} is a damaged gzip file: {error}", remedy=_REMEDY) from None


def _read(stream: IO[bytes], path: str) -> Array:
    """The array in an unpacked idx stream; `path` is for errors."""
    kind, shape = _header(stream, path)
    size = math.prod(shape) * np.dtype(kind).itemsize
    content = _read_up_to(stream, size)
    if len(content) < size:
        raise FileFormatError(
            f"{path} is truncated", expected=f"{size} bytes for shape {shape}", got=len(content), remedy=_REMEDY
        )
    if stream.read(1):
        raise FileFormatError(f"{path} has bytes after its {size} bytes of shape {shape}", remedy=_REMEDY)
    array = np.frombuffer(content, kind).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _header(stream: IO[bytes], path: str) -> tuple[str, Shape]:
    """Element type, as numpy writes it, and shape."""
    # Two zero bytes, a byte for the element type, a byte for the number of axes, then each extent as a u32.
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= 8:
        raise FileFormatError(
            f"{path} is not an idx file",
            expected="a first word such as 00 00 08 03",
            got=magic.hex(" "),
            remedy=_REMEDY,
        )
    extents = stream.read(4 * magic[3])
    if len(extents) < 4 * magic[3]:
        raise FileFormatError(f"{path} is truncated within its header", remedy=_REMEDY)
    shape = struct.unpack(f">{magic[3]}I", extents)
    if 0 in shape and math.prod(extent or 1 for extent in shape) > _MOST_ELEMENTS:
        raise FileFormatError(f"{path}: a shape beyond all bounds: {shape}", remedy=_REMEDY)
    return _TYPES[magic[2]], shape


def _read_up_to(stream: IO[bytes], size: int) -> bytearray:
    """Up to `size` bytes, read in pieces, so that memory grows with what is there and not with what a header claims."""
    content = bytearray()
    while len(content) < size:
        piece = stream.read(min(_CHUNK, size - len(content)))
        if not piece:
            break
        content += piece
    return content
