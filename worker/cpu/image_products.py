"""Products of matrices with images (n, channels, pixels), several images at a time where their planes are small.

The pixels of one small image leave many columns of its last panel of sixteen unused, and a large matrix is read for few
of them. Images side by side do better, and every number stays the same chain of multiply-adds.
"""

from __future__ import annotations

import numpy as np

from ...common.call_table import Row
from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import Array
from .line_moves import copy_lines
from .matmul import product_row
from .panels import pack, whole, write, write_address
from .plane_lanes import LANES, padded
from .row_kernel import rooms
from .strided_product import ROOM, even_part, product
from .tile_product import DEPTH, LOWEST, list_rows, multiply

_MOST_COLUMNS = 400  # pixels that are multiplied together: of more, copies take more memory and save nothing
_WIDE = 256  # channels whose panels stay in the second-level cache


def image_product_rows(
    matrix: Array, images: Array, out: Array, first: Array | None = None, rectified: bool = False
) -> list[Row]:
    """Rows that write out (n, M, pixels) = matrix (M, K) @ images (n, K, pixels).

    Pixels of a channel are runs of memory, other strides may be any; `first` and `rectified` are as of `matmul`.
    """
    count, depth, pixels = images.shape
    some = _even(count, _MOST_COLUMNS // pixels)
    saves = 10 * padded(some * pixels) <= 9 * some * padded(pixels)  # a tenth of the columns or more
    # Copies of images and results pay as well if the matrix would be read for two panels at most.
    if some == 1 or not (saves or pixels <= 2 * LANES):
        pairs = zip(images, out, strict=True)
        return [product_row(matrix, image, made, first, rectified) for image, made in pairs]
    room = rooms(ROOM, depth * some * pixels, out.shape[1] * some * pixels)
    shape = (count, some, out.shape[1], pixels, depth)
    return [Row(_products, (matrix, images, out, *_strides(matrix, images, out), *shape, first, rectified, *room))]


def pixel_sum_rows(left: Array, right: Array, total: Array) -> list[Row]:
    """Rows that write total (M, N) = the sum over images of left (n, M, pixels) @ right (n, N, pixels)^T.

    Pixels of a channel are runs of memory, as are the rows of `total`; other strides may be any. The sums go from pixel
    to pixel and from image to image.
    """
    count, columns, pixels = right.shape
    some = _even(count, DEPTH // pixels)
    if some == 1:
        pairs = zip(left, right, strict=True)
        return [product_row(one, other.T, total, adds=i > 0) for i, (one, other) in enumerate(pairs)]
    # Of panels, a list of rows, a list of images, and zeros; an entry of a list takes two floats.
    room = rooms(min(_WIDE, padded(columns)) * some * pixels, 2 * padded(len(total)), 2 * some, LANES)
    shape = (count, some, len(total), columns, pixels)
    return [Row(_pixel_sums, (left, right, total, *_strides(left, right, total), *shape, *room))]


def _even(count: int, most: int) -> int:
    """How many of `count` images are taken at once, at most so many or 1, for parts of about equal size."""
    parts = -(-count // max(1, most))
    return -(-count // parts)


def _strides(*arrays: Array) -> list[int]:
    """The first two of each, in floats."""
    return [stride // 4 for array in arrays for stride in array.strides[:2]]


@kernel
def _products(at: int) -> int:
    """Images side by side, their product, and its images apart again; a few of them at a time.

    The arguments are (matrix, images, out), the two strides of each, (n, images at once, M, pixels, K), (first,
    rectified), and room for a product, what it is given, and what it makes.
    """
    count, some, pixels = integer(at, 9), integer(at, 10), integer(at, 12)
    rows, depth, least = integer(at, 11), integer(at, 13), np.float32(0) if integer(at, 15) else LOWEST
    room = integer(at, 16)
    given, made = room + 4 * integer(at, 17), room + 4 * integer(at, 18)
    matrix, start = (integer(at, 3), integer(at, 4)), (whole(LANES), whole(0))
    for begin in range(0, count, some):
        images = min(some, count - begin)
        columns = images * pixels
        for i in range(images):
            image = integer(at, 1) + 4 * (begin + i) * integer(at, 5)
            copy_lines(image, integer(at, 6), given + 4 * i * pixels, columns, depth, pixels)
        right, target, shape = (columns, whole(1)), (columns, whole(LANES)), (rows, columns, depth)
        product(integer(at, 0), matrix, given, right, integer(at, 14), start, made, target, shape, least, room)
        for i in range(images):
            image = integer(at, 2) + 4 * (begin + i) * integer(at, 7)
            copy_lines(made + 4 * i * pixels, columns, image, integer(at, 8), rows, pixels)
    return 0


@kernel
def _pixel_sums(at: int) -> int:
    """The sums of `pixel_sum_rows`, a few images and as many columns as stay in the cache at a time.

    The arguments are (left, right, total), two strides of each, (n, images at once, M, N, pixels), and room for panels
    of `right`, the list of rows, the list of images, and zeros.
    """
    count, some, columns, pixels = integer(at, 9), integer(at, 10), integer(at, 12), integer(at, 13)
    panels = integer(at, 14)
    table, offsets, zeros = panels + 4 * integer(at, 15), panels + 4 * integer(at, 16), panels + 4 * integer(at, 17)
    for lane in range(LANES):
        write(zeros + 4 * lane, np.float32(0))
    list_rows(integer(at, 4), integer(at, 11), table)
    for i in range(some):
        write_address(offsets + 8 * i, i * integer(at, 3))
    wide, strides = even_part(columns, whole(_WIDE)), (integer(at, 7), whole(LANES))
    for begin in range(0, count, some):
        images = min(some, count - begin)
        left = (integer(at, 0) + 4 * begin * integer(at, 3), table, offsets, images, pixels, whole(1))
        for column in range(0, columns, wide):
            shape = (integer(at, 11), min(wide, columns - column))
            right = integer(at, 1) + 4 * (begin * integer(at, 5) + column * integer(at, 6))
            _pack_images(right, (integer(at, 5), integer(at, 6)), images, pixels, shape[1], panels)
            out, factor = integer(at, 2) + 4 * column, (whole(LANES), LANES * images * pixels)
            begun, steps = (out, strides) if begin else (zeros, (whole(0), whole(0)))
            multiply(left, panels, factor, begun, steps, out, strides, shape, LOWEST)
    return 0


@kernel
def _pack_images(source: int, strides: tuple[int, int], images: int, pixels: int, channels: int, target: int) -> None:
    """Panels of sixteen channels each, whose rows are the pixels of all images, one after the other."""
    for channel in range(0, channels, LANES):
        lanes = min(LANES, channels - channel)
        for i in range(images):
            image, place = source + 4 * (i * strides[0] + channel * strides[1]), channel * images + i * LANES
            pack(image, (whole(1), strides[1]), pixels, lanes, target + 4 * place * pixels)
