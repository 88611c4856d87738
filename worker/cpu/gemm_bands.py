"""A batch of planes cut into bands, each the work of one GEMM: rows of a large plane, or several small planes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Band(NamedTuple):
    """Rows from `top` to `bottom` of images from `first` to `last`."""

    first: int
    last: int
    top: int
    bottom: int


def cut(images: int, plane: tuple[int, int], wanted: int) -> Iterator[Band]:
    """Bands of about `wanted` columns of a GEMM, each place of a `plane` (rows, places in a row) being one column."""
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
