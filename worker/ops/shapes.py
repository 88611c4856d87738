"""Arithmetic on shapes that may be partly unknown: None where nothing is known, 0 for an unknown extent."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...common.errors import ShapeError
from ..array import Shape
from .operator import PartialShape


def merge(left: PartialShape, right: PartialShape, where: str) -> PartialShape:
    """The shape that both together determine. Raises ShapeError, naming `where`, if they contradict each other."""
    if left is None or right is None or left == right:
        return right if left is None else left
    if len(left) != len(right) or any(a and b and a != b for a, b in zip(left, right, strict=True)):
        raise ShapeError(where, expected=f"shape {right}", got=left)
    return tuple(a or b for a, b in zip(left, right, strict=True))


def merge_rows(left: PartialShape, right: PartialShape, where: str) -> PartialShape:
    """`left` with its first extent, the batch, completed from `right`. Raises ShapeError if the two differ."""
    if not left or not right:
        return left
    return merge(left, (right[0], *left[1:]), where)


def merge_all(shapes: Sequence[PartialShape], where: Sequence[str]) -> PartialShape:
    """The one shape that several partial descriptions of it determine.

    `where` names each of them. Raises ShapeError, naming the first that contradicts those before it.
    """
    together: PartialShape = None
    for shape, name in zip(shapes, where, strict=True):
        together = merge(shape, together, name)
    return together


def known(shape: PartialShape) -> bool:
    """Whether the shape and all its extents are known."""
    return shape is not None and all(shape)


def product(extents: Shape) -> int:
    """The number of elements; 0 while any extent is unknown."""
    # math.prod and not np.prod: Python's integers do not overflow on shapes that a file claims.
    return math.prod(extents)


def normal_axis(operator: str, axis: int, axes: int, what: str = "axis") -> int:
    """`axis` counted from the front. Raises ShapeError, naming the parameter `what`, if there is no such axis."""
    if not -axes <= axis < axes:
        raise ShapeError(f"{operator}: {what} {axis}", expected=f"an axis of {axes}-dimensional data")
    return axis % axes


def is_batch_axis(axis: int, in_shapes: Sequence[Shape], added: int = 0) -> bool:
    """Whether `axis` of the first input is the batch axis; a negative one may be while shapes are unknown.

    `added`: how many axes more the array has on which `axis` is counted, such as an output with a new axis.
    """
    if axis >= 0 or not in_shapes:
        return axis <= 0
    return axis + len(in_shapes[0]) + added == 0


def require_axes(where: str, shape: PartialShape, least: int) -> None:
    """Raises ShapeError, naming `where`, if `shape` is known and has fewer than `least` axes."""
    if shape is not None and len(shape) < least:
        raise ShapeError(where, expected=f"at least {least} axes", got=shape)
