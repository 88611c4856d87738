"""Arrays of one kind (weights, gradients, states) side by side in one block of a GPU's memory, so that one kernel or
one collective can process all of them, or any run of neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ...array import Array, Shape
from ...cuda.device import Device

ALIGN = 32  # elements of float32: 128 bytes, what a warp reads at once


class Layout:
    """Where each array begins and ends in such a block, in elements: the same in all blocks that it makes.

    Blocks are flat, float32, of `size` elements; `ranges` holds [first, last) by name.
    """

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = dict(shapes)
        self.ranges: dict[str, tuple[int, int]] = {}
        self.size = 0
        for name, shape in shapes.items():
            stop = self.size + int(np.prod(shape, dtype=np.int64))
            self.ranges[name] = (self.size, stop)
            self.size = -(-stop // ALIGN) * ALIGN

    def zeros(self, device: Device) -> Array:
        """A flat block of zeros on that device, which has to be active."""
        return device.zeros((self.size,), np.float32)

    def views(self, block: Array) -> dict[str, Array]:
        """Views of the arrays in a flat block, by name, each in its own shape."""
        return {name: block[first:last].reshape(self.shapes[name]) for name, (first, last) in self.ranges.items()}

    def send(self, device: Device, block: Array, values: Mapping[str, Array]) -> None:
        """Copy host arrays into a block of that device; what is not among `values` becomes zero."""
        host = np.zeros(self.size, np.float32)
        for name, view in self.views(host).items():
            if name in values:
                view[...] = values[name]
        with device.active():
            block.set(host)  # type: ignore[attr-defined]

    def runs(self, names: Iterable[str]) -> list[tuple[int, int]]:
        """The ranges of those arrays in elements, in order, with neighbours joined; names without an array are ignored.

        A joined range includes the gaps between arrays, which hold zeros.
        """
        found: list[tuple[int, int]] = []
        for first, last in sorted(self.ranges[name] for name in names if name in self.ranges):
            if found and first - found[-1][1] < ALIGN:  # nothing but the gap that alignment leaves
                found[-1] = (found[-1][0], last)
            else:
                found.append((first, last))
        return found
