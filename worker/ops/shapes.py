"""Arithmetic on shapes that may be partly unknown: None for nothing known, 0 for an extent not known."""

from __future__ import annotations

import math

from ...common.errors import ShapeError
from .operator import PartialShape


def merge(left: PartialShape, right: PartialShape, where: str) -> PartialShape:
    """What both together say; ShapeError naming `where` if they contradict each other."""
    if left is None or right is None:
        return right if left is None else left
    if len(left) != len(right) or any(a and b and a != b for a, b in zip(left, right, strict=True)):
        raise ShapeError(where, expected=f"shape {right}", got=left)
    return tuple(a or b for a, b in zip(left, right, strict=True))


def known(shape: PartialShape) -> bool:
    """Whether every extent is known."""
    return shape is not None and all(shape)


def product(extents: tuple[int, ...]) -> int:
    """The number of elements; 0 while any extent is unknown."""
    return math.prod(extents)
