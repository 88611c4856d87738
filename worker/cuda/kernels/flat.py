"""Whether element-wise kernels may take arrays as flat memory, whatever their axes."""

from __future__ import annotations

from ...array import Array


def alike(*arrays: Array) -> bool:
    """Whether all arrays have one shape and the same strides, and fill their memory without holes.

    The axes may be in any order: elements that belong together lie at the same distance from the arrays' beginnings.
    """
    first = arrays[0]
    return is_dense(first) and all(a.shape == first.shape and a.strides == first.strides for a in arrays[1:])


def is_dense(array: Array) -> bool:
    """Whether the elements of an array of any shape fill a stretch of memory that begins at the array's own address.

    Not so if a stride is negative, or 0 by broadcasting.
    """
    reach = array.itemsize
    for stride, extent in sorted(zip(array.strides, array.shape, strict=True)):
        if extent > 1 and stride != reach:
            return not array.size
        if extent > 1:
            reach *= extent
    return True
