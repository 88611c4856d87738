"""A batch of planes cut into bands, each the work of one GEMM: some rows of a large plane, or several small planes.

A place of a plane is a column of the GEMM: an output pixel, or a tile of Winograd's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Band(NamedTuple):
    """Rows [top, bottom) of images [first, last). A band of several images has all their rows."""

    first: int
    last: int
    top: int
    bottom: int


def cut(images: int, plane: tuple[int, int], wanted: int) -> Iterator[Band]:
    """Bands of at most `wanted` columns that cover so many images, each of a plane (rows, places in a row).

    A single row is not cut, so a band of wide planes may have more columns.
    """
    height, width = plane
    if height * width > wanted:
        rows = max(1, wanted // width)
        for image in range(images):
            for top in range(0, height, rows):
                yield Band(image, image + 1, top, min(top + rows, height))
    else:
        together = wanted // (height * width)
        for first in range(0, images, together):
            yield Band(first, min(first + together, images), 0, height)
