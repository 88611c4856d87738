"""Arrays of one kind (weights, gradients, states) side by side in one block of a GPU's memory: one kernel or one
collective reaches all of them, or any run of neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ...array import Array, Shape
from ...cuda.device import Device

ALIGN = 32  # elements: 128 bytes, what a warp reads at once


class Layout:
    """Where each array begins and ends in such a block, in elements; the same for all blocks made by it."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = dict(shapes)
        self.ranges: dict[str, tuple[int, int]] = {}
        self.size = 0
        for name, shape in shapes.items():
            stop = self.size + int(np.prod(shape, dtype=np.int64))
            self.ranges[name] = (self.size, stop)
            self.size = -(-stop // ALIGN) * ALIGN

    def zeros(self, device: Device) -> Array:
        """A block of zeros. To be called while the device is active."""
        return device.zeros((self.size,), np.float32)

    def views(self, block: Array) -> dict[str, Array]:
        """The arrays in a block, by name."""
        return {name: block[first:last].reshape(self.shapes[name]) for name, (first, last) in self.ranges.items()}

    def runs(self, names: Iterable[str]) -> list[tuple[int, int]]:
        """The ranges of those arrays, neighbours as one."""
        found: list[tuple[int, int]] = []
        for first, last in sorted(self.ranges[name] for name in names if name in self.ranges):
            if found and first - found[-1][1] < ALIGN:  # nothing but the gap that alignment leaves
                found[-1] = (found[-1][0], last)
            else:
                found.append((first, last))
        return found
