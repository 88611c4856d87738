"""How an array lies in memory: in C order, or as the kernels of a backend prefer it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from ..array import Array, Shape
from ..graphs.node import Entry


class Format(Protocol):
    """A way to lay an array out in flat memory whose elements have the graph's type (float32, say).

    Elements of the array itself may be smaller. Buffers are kept and reused as flat memory, whatever lies in them.
    """

    def size(self, shape: Shape) -> int:
        """How many elements of flat memory an array of that shape takes."""
        ...

    def view(self, memory: Array, shape: Shape) -> Array:
        """An array of that shape that shares the first elements of `memory`, which is flat and may be longer."""
        ...


class COrder:
    """The usual format: the last axis varies fastest, elements have the graph's type."""

    def size(self, shape: Shape) -> int:
        """The number of elements of an array of that shape."""
        return math.prod(shape)

    def view(self, memory: Array, shape: Shape) -> Array:
        """The first elements of the flat `memory` as an array of that shape."""
        return memory[: self.size(shape)].reshape(shape)


C_ORDER: Format = COrder()
Formats = Mapping[Entry, Format]  # the format of an entry and of its gradient; what is not listed is in C_ORDER
