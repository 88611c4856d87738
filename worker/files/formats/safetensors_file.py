"""safetensors files: arrays by name, with a network's graph as JSON in the metadata."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ....common.errors import FileFormatError, ParameterError, PushgradError
from ....common.foreign import reading
from ...array import Array
from ...atomic_files import PathLike, write_atomically
from ...symbols.symbol import Symbol
from .extras import needed

_MAX_NDIM = 32  # numpy 1.26 has no arrays of more axes
# Bounds the product of a shape's extents other than 0: an array without elements may claim any others, but numpy cannot
# make one whose extents overflow.
_MOST_ELEMENTS = 1 << 48
_SYMBOL = "pushgrad.symbol"  # the graph's key in the metadata
_BFLOAT16 = "BF16"
# The format's name of an element type -> numpy's; bfloat16, which numpy lacks, is read as its bits.
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", _BFLOAT16: "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?",
}  # fmt: skip


def save_safetensors(path: PathLike, arrays: Mapping[str, Array], symbol: Symbol | None = None) -> None:
    """Write arrays of any shapes by name, whole or not at all; `symbol` goes into the metadata as JSON.

    Raises ParameterError for element types that the format lacks, FileFormatError if the folder does not exist or the
    package safetensors is missing.
    """
    library = needed("safetensors.numpy", "writing safetensors")
    plain = {name: _storable(np.asarray(array), name) for name, array in arrays.items()}
    content = library.save(plain, {"format": "np", **({} if symbol is None else {_SYMBOL: symbol.tojson()})})
    write_atomically(path, lambda stream: stream.write(content))


def load_safetensors(path: PathLike) -> dict[str, Array]:
    """The arrays in the file by name, with the shapes and element types that they have there; bfloat16 as float32.

    Raises FileFormatError if the file is missing, damaged or in another format, or the package safetensors is missing.
    """
    library = needed("safetensors", "reading safetensors")
    with reading(path):
        try:
            entries = library.deserialize(Path(path).read_bytes())
        except library.SafetensorError as error:
            raise FileFormatError(f"{path}: not a safetensors file ({str(error)[:200]})") from None
    return {name: _array(entry, f"{path}: {name[:80]}") for name, entry in entries}


def load_symbol(path: PathLike) -> Symbol | None:
    """The graph that `save_safetensors` put beside the arrays, or None if there is none.

    Raises FileFormatError if the file is missing, damaged or in another format, FileFormatError or GraphError if the
    graph is damaged.
    """
    library = needed("safetensors", "reading safetensors")
    with reading(path):
        try:
            with library.safe_open(Path(path), "numpy") as file:
                text = (file.metadata() or {}).get(_SYMBOL)
        except (OSError, library.SafetensorError) as error:
            raise FileFormatError(f"{path}: not a safetensors file ({str(error)[:200]})") from None
    if text is None:
        return None
    from ...symbols.symbol import loads

    try:
        return loads(text)
    except PushgradError as error:
        error.locate(f"{path}, {_SYMBOL}")
        raise


def _storable(array: Array, name: str) -> Array:
    """`array` C-ordered and in the machine's byte order, which is little endian wherever this runs."""
    native = array.dtype.newbyteorder("=")
    if native not in {np.dtype(text).newbyteorder("=") for text in _TYPES.values()}:
        raise ParameterError(f"{name}: an element type that safetensors lacks", got=array.dtype)
    return np.array(array, native, order="C", copy=None)  # None: copy only if needed; asarray may keep strides


def _array(entry: Mapping[str, Any], where: str) -> Array:
    """One entry of the file, as safetensors.deserialize describes it, as an array; `where` names it in errors."""
    if entry["dtype"] not in _TYPES:
        raise FileFormatError(f"{where}: elements", expected=f"one of {', '.join(_TYPES)}", got=entry["dtype"])
    dtype = np.dtype(_TYPES[entry["dtype"]])
    shape = entry["shape"]
    if len(shape) > _MAX_NDIM or math.prod(extent or 1 for extent in shape) > _MOST_ELEMENTS:
        raise FileFormatError(f"{where}: a shape beyond all bounds", got=f"{len(shape)} axes {shape[:8]}")
    array: Array = np.frombuffer(entry["data"], dtype).reshape(shape)
    if entry["dtype"] == _BFLOAT16:  # the upper half of a float32
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array.astype(dtype.newbyteorder("="), copy=False)
