"""Products on register tiles of matrices as numpy arrays, for callers outside of kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...common.call_table import Room, Row
from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import Array
from .plane_lanes import LANES
from .scratch import scratch
from .strided_product import ROOM, product
from .tile_product import LOWEST


def matmul(
    left: Array,
    right: Array,
    out: Array,
    first: Array | None = None,
    rectified: bool = False,
    adds: bool = False,
) -> None:
    """out (M, N) = left (M, K) @ right (K, N); all float32, the rows of `out` runs of memory.

    With `first` (M, 16), sums of row i begin with its number, which stands in all sixteen places of first[i]; with a
    flat `first`, N rounded up to sixteens, each row begins with it; with `adds`, sums begin with what is in `out`.
    If `rectified`, relu is applied to them.

    Where arrays have an axis more at their front, there is a product for each of its places, one after the other; where
    `out` does not have it, they should be added. With four axes, `out` is (products, panels, M, 16).
    """
    given = [*_arguments(left, right, out, first, rectified, adds), scratch("product", (ROOM,))]
    packed = np.array([_address(one) if isinstance(one, np.ndarray) else one or 0 for one in given], np.int64)
    _products(_address(packed))


def product_row(
    left: Array, right: Array, out: Array, first: Array | None = None, rectified: bool = False, adds: bool = False
) -> Row:
    """As `matmul`, as a row of a table of calls."""
    return Row(_products, (*_arguments(left, right, out, first, rectified, adds), Room(ROOM)))


def _address(array: Array) -> int:
    found: int = array.__array_interface__["data"][0]
    return found


def _arguments(
    left: Array, right: Array, out: Array, first: Array | None, rectified: bool, adds: bool
) -> Iterator[Any]:
    """What `_products` finds at its address, but for the room."""
    panels = (LANES,) if out.ndim < 4 else (out.strides[1] // 4,)
    target = (out, out.strides[0] // 4 if out.ndim > 2 else 0, out.strides[-2] // 4, *panels)
    yield max(
        (len(array) for array in (left, right, out) if isinstance(array, np.ndarray) and array.ndim > 2), default=1
    )
    yield from _strided(left)
    yield from _strided(right)
    if adds:
        yield from target
    elif first is None:
        yield from (None, 0, 0, 0)
    else:
        yield from (first, 0, *((0, LANES) if first.ndim == 1 else (LANES, 0)))
    yield from target
    yield from (out.shape[-2], out.shape[-1] if out.ndim < 4 else out.shape[1] * LANES, left.shape[-1], rectified)


def _strided(array: Array) -> tuple[Any, ...]:
    steps = [stride // 4 for stride in array.strides]
    return array, steps[0] if array.ndim > 2 else 0, steps[-2], steps[-1]


@kernel
def _products(at: int) -> int:
    """Products of matrices whose addresses lie the given numbers of floats apart, with strides as of `product`."""
    least = np.float32(0) if integer(at, 20) else LOWEST
    shape, room = (integer(at, 17), integer(at, 18), integer(at, 19)), integer(at, 21)
    for i in range(integer(at, 0)):
        a, b = integer(at, 1) + 4 * i * integer(at, 2), integer(at, 5) + 4 * i * integer(at, 6)
        s, c = integer(at, 9) + 4 * i * integer(at, 10), integer(at, 13) + 4 * i * integer(at, 14)
        a_strides, b_strides = (integer(at, 3), integer(at, 4)), (integer(at, 7), integer(at, 8))
        s_strides, c_strides = (integer(at, 11), integer(at, 12)), (integer(at, 15), integer(at, 16))
        product(a, a_strides, b, b_strides, s, s_strides, c, c_strides, shape, least, room)
    return 0
