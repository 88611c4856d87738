"""What cuDNN is asked to compute, in its own terms: the three operations of a convolution layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..array import Shape

ROLES = {  # of the two operands and the target, by kind of operation
    "fprop": ("image", "filters", "result"),
    "dgrad": ("result", "filters", "image"),
    "wgrad": ("image", "result", "filters"),
}
KINDS = tuple(ROLES)
ELEMENTS = {"float32": "FLOAT", "tf32": "FLOAT", "float16": "HALF", "bfloat16": "BFLOAT16"}


@dataclass(frozen=True)
class Convolution:
    """One operation of a convolution layer, and all that its plan depends on.

    kind: "fprop" computes `result` from `image` and `filters`, "dgrad" the image's gradient from the result's and
    `filters`, "wgrad" the filters' gradient from `image` and the result's. Shapes are (N, C, ...), (F, C / groups, ...)
    and (N, F, ...) with two or three spatial axes; channels_last: in memory the channels come last. math: "float32",
    "tf32", "float16" or "bfloat16"; operands and result are of that type, sums are float32. workspace: the most bytes
    of scratch memory; tune: whether engines are timed.
    """

    kind: str
    image: Shape
    filters: Shape
    result: Shape
    padding: Shape
    stride: Shape
    dilation: Shape
    math: str = "float32"
    channels_last: bool = False
    workspace: int = 1 << 30
    tune: bool = False

    def shapes(self) -> tuple[Shape, Shape, Shape]:
        """The shapes of both operands and of the target."""
        one, other, made = ROLES[self.kind]
        return getattr(self, one), getattr(self, other), getattr(self, made)

    def sizes(self) -> list[int]:
        """Bytes of both operands and of the target."""
        itemsize = 4 if ELEMENTS[self.math] == "FLOAT" else 2
        return [itemsize * math.prod(shape) for shape in self.shapes()]


def strides(shape: Shape, channels_last: bool) -> list[int]:
    """The strides, in elements, of an array (N, C, ...) without gaps whose channels come second or last in memory."""
    # The axes from the outermost in memory to the innermost; strides grow from the last one on.
    axes = [0, *range(2, len(shape)), 1] if channels_last else list(range(len(shape)))
    found, step = [0] * len(shape), 1
    for axis in reversed(axes):
        found[axis] = step
        step *= shape[axis]
    return found
