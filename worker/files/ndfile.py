"""mx.nd: MXNet's file of named arrays (.params, .nd), all dense layouts and both sparse ones; little endian.

    u64 0x112, u64 0, u64 arrays, the arrays, u64 names (0 or as many as arrays), each a u64 length and bytes

An array begins with a magic word (versions 1, 2, 3) or, before MXNet 0.11, directly with its shape; ndfile_reader.py
has the details. Files are read piece by piece against their real size: nothing is allocated because a file claims a
size, only after that many bytes turned out to be there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...common.errors import ParameterError
from ...common.foreign import reading
from ..array import Array
from ..atomic_files import PathLike, write_atomically
from .ndfile_reader import CODES, LIST_MAGIC, MAGIC_V2, MAGIC_V3, Reader

__all__ = ["load", "save"]

_CPU = (1, 0)  # device type and index, written for every array; readers ignore it


def load(path: PathLike) -> dict[str, Array] | list[Array]:
    """The arrays in a file, with the shapes and element types that they were saved with.

    They come as a dict by name, or as a list if they have no names. Arrays saved on a GPU are numpy arrays, too; sparse
    ones become dense, bfloat16 becomes float32. Raises FileFormatError, which names the file and the byte offset, if it
    is missing, truncated or in another format.
    """
    with reading(path), Path(path).open("rb") as stream:
        arrays, names = Reader(stream, str(path)).content()
    return dict(zip(names, arrays, strict=True)) if names else arrays


def save(path: PathLike, data: Mapping[str, Any] | Sequence[Any] | Array) -> None:
    """Write a dict of arrays, a list of arrays, or one array, of any shapes; the file appears whole or not at all.

    MXNet 1.0 and later read what is written here. If an array has no elements or no axes, the file is written in the
    layout of MXNet's numpy mode, the only one that can express that. Raises ParameterError for element types that the
    format lacks or names that are not strings, FileFormatError if the folder does not exist.
    """
    write_atomically(path, writer(data))


def writer(data: Mapping[str, Any] | Sequence[Any] | Array) -> Callable[[IO[bytes]], None]:
    """A function that writes the file's content to a stream, each time the same. Raises as `save` does."""
    names, values = _named(data)
    arrays = [_storable(value, names[i] if names else f"array {i}") for i, value in enumerate(values)]
    encoded = [name.encode() for name in names]
    # One version for all arrays: MXNet refuses a file that mixes them.
    magic = MAGIC_V2 if all(array.ndim and array.size for array in arrays) else MAGIC_V3

    def write(stream: IO[bytes]) -> None:
        stream.write(struct.pack("<3Q", LIST_MAGIC, 0, len(arrays)))
        for array in arrays:
            _write_array(stream, array, magic)
        stream.write(struct.pack("<Q", len(encoded)))
        for name in encoded:
            stream.write(struct.pack("<Q", len(name)) + name)

    return write


def _named(data: Mapping[str, Any] | Sequence[Any] | Array) -> tuple[list[str], list[Any]]:
    """Names (none for a list) and values of what is to be saved."""
    if isinstance(data, Mapping):
        if not all(isinstance(name, str) for name in data):
            raise ParameterError("nd.save: names", expected="strings", got=repr(list(data)[:5]))
        return list(data), list(data.values())
    return [], list(data) if isinstance(data, list | tuple) else [data]


def _storable(value: Any, what: str) -> Array:
    """`value` as a C-ordered little-endian array of a type that the format knows."""
    if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
        # cupy's arrays copy themselves to the host by get(); numpy's from_dlpack refuses memory of a GPU.
        value = value.get() if hasattr(value, "get") else np.from_dlpack(value)
    array = np.asarray(value, order="C")
    if array.dtype.newbyteorder("=") not in CODES:
        known = ", ".join(str(dtype) for dtype in CODES)
        raise ParameterError(f"nd.save: {what}", expected=f"one of the types {known}", got=str(array.dtype))
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _write_array(stream: IO[bytes], array: Array, magic: int) -> None:
    """Append a dense array (storage type 0) in the layout of that version: shape, device, element type, data."""
    stream.write(struct.pack(f"<Iii{array.ndim}q", magic, 0, array.ndim, *array.shape))
    stream.write(struct.pack("<iii", *_CPU, CODES[array.dtype.newbyteorder("=")]))
    if array.size:
        stream.write(array.reshape(-1).view(np.uint8).data)
