"""Reading MXNet's file of arrays, trusting nothing in it: every count and extent is checked before it is used.

Layouts of an array, all little endian; `type` and the device are 32 bits wide, "shape" is rank and extents:

    before 0.11    u32 rank, u32 extents, device (type, index), type, data
    version 1      magic, shape with i64 extents, device, type, data
    version 2, 3   magic, i32 storage type (dense, row-sparse, csr), then as version 1. A sparse array has the shape of
                   its stored values before its own shape, and after its type a type and a shape for each index array;
                   the data are the values, then the index arrays
"""

from __future__ import annotations

import math
import os
import struct
from typing import IO, Any, NoReturn

import numpy as np

from ...common.errors import FileFormatError
from ..array import Array, Shape, aligned_empty

LIST_MAGIC = 0x112
MAGIC_V1, MAGIC_V2, MAGIC_V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA

# numpy's element type -> MXNet's number for it (mshadow's type flags).
CODES: dict[np.dtype[Any], int] = {
    np.dtype(name): code
    for code, name in {
        0: "float32", 1: "float64", 2: "float16", 3: "uint8", 4: "int32", 5: "int8", 6: "int64",
        7: "bool", 8: "int16", 9: "uint16", 10: "uint32", 11: "uint64",
    }.items()
}  # fmt: skip
_BFLOAT16 = 12  # numpy lacks this type: its bits are read as u16 and then widened
_DTYPES = {code: dtype.newbyteorder("<") for dtype, code in CODES.items()} | {_BFLOAT16: np.dtype("<u2")}
_DENSE, _ROW_SPARSE, _CSR = 0, 1, 2
_INDEX_ARRAYS = {_DENSE: 0, _ROW_SPARSE: 1, _CSR: 2}  # how many index arrays stand beside the values
_MAX_NDIM = 32  # numpy 1.26 has no arrays of more axes
# Bounds the product of a shape's extents other than 0. An array without elements takes no bytes of the file whatever
# its other extents are, but numpy cannot make one whose extents overflow.
_MOST_ELEMENTS = 1 << 48
# Bytes to which the sparse arrays of a file may grow together when they are made dense: so many at least, and so many
# for each byte of the file. A few bytes can claim any shape, and this is the one place where arrays are larger than it.
_LEAST_DENSE = 1 << 28
_DENSE_PER_BYTE = 256
_NONE_SHAPE = (0,)  # the shape of an array that MXNet saved before anything was assigned to it
_REMEDY = "It should be a file written by MXNet or mx.nd.save; fetch or write it again"


class Reader:
    """A cursor in an open file of known size. `path` names the file in errors; `offset` is its position in bytes."""

    def __init__(self, stream: IO[bytes], path: str) -> None:
        self.stream, self.path = stream, path
        self.size = os.fstat(stream.fileno()).st_size
        self.offset = 0
        self.dense_left = max(_LEAST_DENSE, _DENSE_PER_BYTE * self.size)

    def content(self) -> tuple[list[Array], list[str]]:
        """All arrays of the file, of any shapes, and their names (none if the file has none).

        Raises FileFormatError, which names the file and the byte offset, for whatever is wrong with it.
        """
        if self.size < 8 or self._numbers("Q", 1)[0] != LIST_MAGIC:
            self.offset = 0
            self._fail("not an MXNet array file: it does not begin with 12 01 00 00 00 00 00 00")
        self._numbers("Q", 1)  # reserved
        # The shortest array takes 4 bytes (an old one of rank 0), the shortest name 8 (its length).
        arrays = [self._array() for _ in range(self._count("arrays", at_least=4))]
        names = [self._name() for _ in range(self._count("names", at_least=8))]
        if names and len(names) != len(arrays):
            self._fail(f"{len(names)} names for {len(arrays)} arrays")
        if len(set(names)) != len(names):
            self._fail("two arrays have the same name")  # a dict would silently lose one
        if self.offset != self.size:
            self._fail(f"{self.size - self.offset} bytes after the end of the content")
        return arrays, names

    def _fail(self, what: str) -> NoReturn:
        """Raise the error for what is wrong at the current offset."""
        raise FileFormatError(f"{self.path}, byte {self.offset}: {what}", remedy=_REMEDY)

    def _bytes(self, count: int) -> bytes:
        """The next `count` bytes, all of them."""
        self._require(count)
        piece = self.stream.read(count)
        if len(piece) != count:
            self._fail("the file became shorter while it was read")
        self.offset += count
        return piece

    def _require(self, count: int) -> None:
        """Fail unless at least `count` bytes are left."""
        if count > self.size - self.offset:
            self._fail(f"truncated, {count} more bytes expected and {self.size - self.offset} there")

    def _numbers(self, kind: str, count: int) -> tuple[int, ...]:
        """The next `count` integers of a type that struct calls `kind`."""
        return struct.unpack(f"<{count}{kind}", self._bytes(count * struct.calcsize(kind)))

    def _count(self, what: str, at_least: int) -> int:
        """The next count, of things that take at least `at_least` bytes each; fails if the file cannot hold them."""
        (count,) = self._numbers("Q", 1)
        if count * at_least > self.size - self.offset:
            self._fail(f"{count} {what} announced, more than the file can hold")
        return count

    def _name(self) -> str:
        text = self._bytes(self._count("characters of a name", at_least=1))
        try:
            return text.decode()
        except UnicodeDecodeError:
            self._fail(f"a name that is not UTF-8: {text[:40]!r}")

    def _array(self) -> Array:
        """The next array, of whichever version, dense and in native byte order."""
        (magic,) = self._numbers("I", 1)
        if magic in (MAGIC_V2, MAGIC_V3):
            return self._versioned(magic)
        # Before there were magic words, an array began with its rank, and its extents were 32 bits wide.
        shape = self._shape("q") if magic == MAGIC_V1 else self._extents(magic, "I")
        return self._dense(shape) if shape else np.empty(_NONE_SHAPE, np.float32)

    def _versioned(self, magic: int) -> Array:
        """What follows the magic word of versions 2 and 3."""
        (storage,) = self._numbers("i", 1)
        if storage not in _INDEX_ARRAYS:
            self._fail(f"unknown storage type {storage}")
        stored = self._shape("q") if storage != _DENSE else None
        shape = self._shape("q", may_be_unknown=magic == MAGIC_V3)
        # Version 3 (numpy mode) writes rank -1 for an array that was never set, and rank 0 for a number. In version 2
        # rank 0 means never set. Neither is followed by device, type and data.
        if shape is None or (shape == () and magic == MAGIC_V2):
            return np.empty(_NONE_SHAPE, np.float32)
        return self._dense(shape) if stored is None else self._sparse(storage, stored, shape)

    def _shape(self, kind: str, may_be_unknown: bool = False) -> Shape | None:
        """Rank and extents of type `kind`; None for a rank of -1, where that may be."""
        (ndim,) = self._numbers("i", 1)
        return None if may_be_unknown and ndim == -1 else self._extents(ndim, kind)

    def _extents(self, ndim: int, kind: str) -> Shape:
        """The next `ndim` extents as a shape that numpy can hold."""
        if not 0 <= ndim <= _MAX_NDIM:
            self._fail(f"an array of {ndim} dimensions")
        shape = self._numbers(kind, ndim)
        if any(extent < 0 for extent in shape):
            self._fail(f"a shape with negative extents: {shape}")
        if math.prod(extent or 1 for extent in shape) > _MOST_ELEMENTS:
            self._fail(f"a shape beyond all bounds: {shape}")
        return shape

    def _dtype(self) -> int:
        """The next element type, as MXNet's code."""
        (code,) = self._numbers("i", 1)
        if code not in _DTYPES:
            self._fail(f"unknown element type {code}")
        return code

    def _dense(self, shape: Shape | None) -> Array:
        """Device, element type and data of a dense array of that shape."""
        self._numbers("i", 2)  # device
        return self._values(shape or (), self._dtype())

    def _sparse(self, storage: int, stored: Shape | None, shape: Shape) -> Array:
        """A row-sparse or csr array as a dense one of `shape`; `stored` is the shape of the values in the file."""
        self._numbers("i", 2)  # device
        code = self._dtype()
        kinds = [(self._dtype(), self._shape("q") or ()) for _ in range(_INDEX_ARRAYS[storage])]
        values = self._values(stored or (), code)
        indices = [self._values(extents, kind) for kind, extents in kinds]
        self.dense_left -= math.prod(shape) * values.itemsize
        if self.dense_left < 0:
            self._fail(f"a sparse array of shape {shape}, which is too large to be read as a dense one")
        dense = np.zeros(shape, values.dtype)
        try:
            (_fill_rows if storage == _ROW_SPARSE else _fill_csr)(dense, values, indices)
        except (ValueError, IndexError) as error:
            self._fail(f"a sparse array that contradicts itself: {error}")
        return dense

    def _values(self, shape: Shape, code: int) -> Array:
        """The elements of an array of that shape, read from the file straight into the array."""
        dtype = _DTYPES[code]
        size = math.prod(shape) * dtype.itemsize
        self._require(size)
        array = aligned_empty(shape, dtype)
        if size and self.stream.readinto(array.reshape(-1).view(np.uint8).data) != size:  # type: ignore[attr-defined]
            self._fail("the file became shorter while it was read")
        self.offset += size
        if code == _BFLOAT16:  # the upper half of a float32
            return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return array.astype(dtype.newbyteorder("="), copy=False)


def _fill_rows(dense: Array, values: Array, indices: list[Array]) -> None:
    """Row i of `values` is row indices[0][i] of `dense`."""
    rows = indices[0]
    if rows.shape != values.shape[:1] or values.shape[1:] != dense.shape[1:]:
        raise ValueError(f"{rows.shape} row numbers for rows of shape {values.shape}")
    _check_range(rows, dense.shape[0])
    dense[rows] = values


def _fill_csr(dense: Array, values: Array, indices: list[Array]) -> None:
    """Compressed rows: values[starts[r]:starts[r + 1]] stand in row r at the columns of the same places."""
    starts, columns = indices
    if dense.ndim != 2 or starts.shape != (dense.shape[0] + 1,) or values.ndim != 1 or columns.shape != values.shape:
        raise ValueError(f"shapes {starts.shape}, {columns.shape}, {values.shape} for a matrix {dense.shape}")
    _check_range(starts, len(values) + 1)
    counts: Array = np.diff(starts.astype(np.int64))
    if starts[0] != 0 or starts[-1] != len(values) or (counts < 0).any():
        raise ValueError("row starts that do not rise from 0 to the number of values")
    _check_range(columns, dense.shape[1])
    dense[np.repeat(np.arange(dense.shape[0]), counts), columns] = values


def _check_range(places: Array, extent: int) -> None:
    """ValueError unless all places are whole numbers from 0 to extent - 1: numpy would count negative ones back."""
    if places.dtype.kind not in "iu":
        raise ValueError(f"places of type {places.dtype}")
    if places.size and not (places.min() >= 0 and places.max() < extent):
        raise ValueError(f"places {places.min()} to {places.max()} in an extent of {extent}")
