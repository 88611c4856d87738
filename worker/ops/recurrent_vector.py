"""Where each matrix and bias lies in RNN's one vector of parameters, in the order of cuDNN and MXNet."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..array import Array, Shape
from .recurrent_layer import Weights


@dataclass(frozen=True)
class VectorLayout:
    """All weights, for each layer and direction the input's and the state's, and then all biases in the same order.

    `size` is H; a layer's input is C wide for the first one and H * directions for the others.
    """

    gates: int
    size: int
    layers: int
    directions: int

    def blocks(self, channels: int) -> Iterator[tuple[int, Shape]]:
        """Yield layer * directions + direction and the shape of each block, in order, for data (T, N, channels)."""
        rows, number = self.gates * self.size, self.layers * self.directions
        for index in range(number):
            yield index, (rows, channels if index < self.directions else self.size * self.directions)
            yield index, (rows, self.size)
        for index in range(number):
            yield index, (rows,)
            yield index, (rows,)

    def length(self, channels: int) -> int:
        """The number of elements of the vector, for data (T, N, channels)."""
        return sum(math.prod(shape) for _, shape in self.blocks(channels))

    def unpack(self, vector: Array, channels: int) -> list[Weights]:
        """Views of `vector` (length(channels),) for each layer and direction, in the shapes of Weights."""
        found: list[list[Array]] = [[] for _ in range(self.layers * self.directions)]
        start = 0
        for index, shape in self.blocks(channels):
            stop = start + math.prod(shape)
            # Blocks of one index come in the order of Weights' fields: the two weights, later the two biases.
            found[index].append(vector[start:stop].reshape(shape))
            start = stop
        return [Weights(*blocks) for blocks in found]
