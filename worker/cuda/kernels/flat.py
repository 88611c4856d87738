"""Arrays as flat memory: what an element-wise kernel may take them for."""

from __future__ import annotations

from ...array import Array


def alike(*arrays: Array) -> bool:
    """Whether all have one shape and the same strides, and fill their memory without holes, in whatever order of axes:
    then elements that belong together lie at the same distance from the beginnings.
    """
    first = arrays[0]
    return is_dense(first) and all(a.shape == first.shape and a.strides == first.strides for a in arrays[1:])


def is_dense(array: Array) -> bool:
    """Whether the elements fill a stretch of memory that begins at the array's own address."""
    reach = array.itemsize
    for stride, extent in sorted(zip(array.strides, array.shape, strict=True)):
        if extent > 1 and stride != reach:
            return not array.size
        if extent > 1:
            reach *= extent
    return True
