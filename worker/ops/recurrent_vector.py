"""Where in RNN's one vector of parameters each matrix and bias lies: the order of cuDNN and MXNet."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..array import Array, Shape
from .recurrent_layer import Weights


@dataclass(frozen=True)
class VectorLayout:
    """First, for each layer and direction, the input weight and the state weight; then, for each, the two biases."""

    gates: int
    size: int
    layers: int
    directions: int

    def blocks(self, channels: int) -> Iterator[tuple[int, Shape]]:
        """Layer * directions + direction and shape of every block, in order, for data (T, N, channels)."""
        rows, number = self.gates * self.size, self.layers * self.directions
        for index in range(number):
            yield index, (rows, channels if index < self.directions else self.size * self.directions)
            yield index, (rows, self.size)
        for index in range(number):
            yield index, (rows,)
            yield index, (rows,)

    def length(self, channels: int) -> int:
        """Length of the vector."""
        return sum(math.prod(shape) for _, shape in self.blocks(channels))

    def unpack(self, vector: Array, channels: int) -> list[Weights]:
        """Views of the vector for each layer and direction."""
        found: list[list[Array]] = [[] for _ in range(self.layers * self.directions)]
        start = 0
        for index, shape in self.blocks(channels):
            stop = start + math.prod(shape)
            found[index].append(vector[start:stop].reshape(shape))
            start = stop
        return [Weights(*blocks) for blocks in found]
