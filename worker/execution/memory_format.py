"""How an array lies in memory: in C order, or as the kernels of a backend prefer it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from ..array import Array, Shape
from ..graphs.node import Entry


class Format(Protocol):
    """Lays arrays out in runs of numbers of the graph's type."""

    def size(self, shape: Shape) -> int:
        """How many of these numbers an array of that shape takes."""
        ...

    def view(self, memory: Array, shape: Shape) -> Array:
        """The array of that shape in the first numbers of `memory`, which has one axis."""
        ...


class COrder:
    """The last axis varies fastest; elements are of the graph's type."""

    def size(self, shape: Shape) -> int:
        """See Format."""
        return int(np.prod(shape, dtype=np.int64))

    def view(self, memory: Array, shape: Shape) -> Array:
        """See Format."""
        return memory[: self.size(shape)].reshape(shape)


C_ORDER: Format = COrder()
Formats = Mapping[Entry, Format]  # of entries and their gradients; those that it lacks are in C_ORDER
