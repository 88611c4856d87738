"""The storages of a torch file, the memory behind its tensors, and the strided views that the tensors are.

Nothing that the file says about a tensor is believed: a view must stay inside its storage, whose size was checked.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from .....common.errors import FileFormatError
from ....array import Array, aligned_empty
from .pickled import Storage, View

_BFLOAT16 = "BFloat16Storage"  # numpy lacks this type: its bits are read as u16 and then widened
_TYPES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", _BFLOAT16: "<u2",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1",
    "ByteStorage": "<u1", "BoolStorage": "?",
}  # fmt: skip
_MAX_NDIM = 32
# Bounds the product of a shape's extents other than 0: a tensor without elements could claim any others, but numpy
# cannot make an array whose extents overflow.
_MOST_ELEMENTS = 1 << 48
MOST_EXPANDED = 1 << 28  # bytes of a file's tensors of stride 0, which can claim any shape with a few bytes


def element_type(storage: Storage, where: str) -> np.dtype[Any]:
    """The type of the elements as the file stores them. Raises FileFormatError for one that is not known here."""
    name = storage.kind.name
    if storage.kind.module != "torch" or name not in _TYPES:
        raise FileFormatError(f"{where}: elements of type {storage.kind}", expected=f"one of {', '.join(_TYPES)}")
    return np.dtype(_TYPES[name])


def size_of(storage: Storage, where: str) -> int:
    """The number of bytes that the storage takes in the file. Raises FileFormatError for an unknown element type."""
    return storage.count * element_type(storage, where).itemsize


def read_storage(storage: Storage, content: bytes, where: str) -> Array:
    """The elements of a storage as an array of shape (storage.count,); bfloat16 becomes float32.

    `content` is the storage's bytes in the file. Raises FileFormatError if they are not as many as it takes.
    """
    dtype = element_type(storage, where)
    if len(content) != size_of(storage, where):
        raise FileFormatError(
            f"{where}: storage {storage.key[:40]!r}", expected=f"{size_of(storage, where)} bytes", got=len(content)
        )
    array = aligned_empty((storage.count,), dtype)
    array[...] = np.frombuffer(content, dtype)
    if storage.kind.name == _BFLOAT16:  # the upper half of a float32
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array.astype(dtype.newbyteorder("="), copy=False)


def view(tensor: View, values: Array, where: str) -> Array:
    """The tensor, an array of shape tensor.shape, as a view into `values`, its storage's elements (count,).

    It has memory of its own if its sign is turned, or if elements count several times, as those of an expanded tensor
    do. Raises FileFormatError unless it stays inside the storage, or if it is expanded beyond `MOST_EXPANDED`.
    """

    def refuse(what: str) -> NoReturn:
        raise FileFormatError(f"{where}: {what}", expected=f"a part of its storage of {len(values)} elements")

    if len(tensor.shape) != len(tensor.strides) or len(tensor.shape) > _MAX_NDIM:
        refuse(f"{len(tensor.shape)} extents and {len(tensor.strides)} strides")
    if min((0, tensor.offset, *tensor.shape, *tensor.strides)) < 0:
        refuse("negative extents, strides or offset")
    if math.prod(extent or 1 for extent in tensor.shape) > _MOST_ELEMENTS:
        refuse(f"a shape beyond all bounds: {tensor.shape[:_MAX_NDIM]}")
    # as_strided checks nothing, so this is what keeps a damaged file from showing memory outside the storage: as no
    # stride is negative, the last element has the largest offset.
    count = math.prod(tensor.shape)
    if expanded_bytes(tensor, values) > MOST_EXPANDED:
        refuse(f"a tensor that is expanded to {count} elements")
    last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
    if tensor.offset > len(values) or (count and last >= len(values)):
        refuse("a tensor reaches beyond it")
    if not count:
        return np.empty(tensor.shape, values.dtype)
    # The stride of an axis of one element is never used, but numpy could overflow on what a file says there.
    strides = [stride * values.itemsize if n > 1 else 0 for n, stride in zip(tensor.shape, tensor.strides, strict=True)]
    found: Array = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides)
    if tensor.negative:
        return -found
    return found.copy() if expanded_bytes(tensor, values) else found


def expanded_bytes(tensor: View, values: Array) -> int:
    """The bytes that a tensor takes of its own because it has more elements than its storage; 0 if it has not."""
    count = math.prod(tensor.shape)
    return count * values.itemsize if count > len(values) else 0
