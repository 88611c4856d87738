"""Where the examples of a batch lie in what a graph computes: on which axis, and in which order.

Mostly that is axis 0, a row for each example. But Reshape(-1, K) gives each example several rows, SwapAxis moves the
batch to another axis, and Concat of time steps puts the first step's rows of all examples before the second's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.errors import GraphError, ShapeError
from ..array import Array, Shape
from ..ops.stretch import Tile
from .graph import Graph
from .node import Entry, Node


@dataclass(frozen=True)
class ExampleAxis:
    """Element i along `axis` belongs to example (i // inner) % n, n being the number of examples in the array."""

    axis: int = 0
    inner: int = 1

    def split(self, array: Array, examples: int) -> Array:
        """The array (..., outer * examples * inner, ...) as (..., outer, examples, inner, ...)."""
        shape, axis = array.shape, self.axis
        return array.reshape(*shape[:axis], -1, examples, self.inner, *shape[axis + 1 :])

    def merged(self, split: Array) -> Array:
        """The reverse of `split`."""
        shape, axis = split.shape, self.axis
        return split.reshape(*shape[:axis], math.prod(shape[axis : axis + 3]), *shape[axis + 3 :])

    def take(self, array: Array, examples: int, first: int, last: int) -> Array:
        """The part of examples first to last - 1, of an array that has `examples` of them."""
        rows: tuple[slice, ...] = (slice(None),) * (self.axis + 1)
        return self.merged(self.split(array, examples)[(*rows, slice(first, last))])

    def joined(self, parts: list[tuple[Array, int]]) -> Array:
        """One array of the examples of all parts, (array, number of examples) each, in their order."""
        split = [self.split(array, examples) for array, examples in parts if examples]
        return self.merged(np.concatenate(split, axis=self.axis + 1)) if split else parts[0][0]


def example_axes(symbol: Graph, inputs: Mapping[str, Shape]) -> list[ExampleAxis | None]:
    """For each output of the graph where its examples lie; None if it has none, as the mean over a batch.

    `inputs` holds the shapes of the arguments whose axis 0 is the batch. Raises what inferring shapes does.
    """
    # Which axis follows the batch is found by comparing two batch sizes; the larger is 2 or more, so that a batch and
    # an axis of extent 1 are told apart.
    rows = next(iter(inputs.values()))[0]
    few = symbol.infer_all(**inputs)
    try:
        many = symbol.infer_all(**{name: (rows + 1, *shape[1:]) for name, shape in inputs.items()})
    except (GraphError, ShapeError):  # the graph fixes its number of rows
        return [ExampleAxis() if few[head][:1] == (rows,) else None for head in symbol.heads]
    finder = _Finder(few, many, rows + 1)
    for node in symbol.nodes():
        finder.visit(node)
    return [finder.found[head] for head in symbol.heads]


class _Finder:
    """Follows the examples through a graph, node by node, in arrays of `rows` examples."""

    def __init__(self, few: Mapping[Entry, Shape], many: Mapping[Entry, Shape], rows: int) -> None:
        self._few, self._shapes, self._rows = few, many, rows
        self.found: dict[Entry, ExampleAxis | None] = {}

    def visit(self, node: Node) -> None:
        """Find the axes of the node's outputs, those of its inputs being known."""
        for index in range(len(node.output_names())):
            entry = node, index
            shape = self._shapes[entry]
            grown = [axis for axis, extent in enumerate(shape) if self._few[entry][axis] != extent]
            # Rows that are no multiple of the examples, as with a mean put beside them, belong to none.
            whole = grown and shape[grown[0]] % self._rows == 0
            self.found[entry] = self._axis(node, shape, grown[0]) if whole else None

    def _axis(self, node: Node, shape: Shape, grown: int) -> ExampleAxis | None:
        op: Any = node.op
        source = next((entry for entry in node.inputs if self.found[entry] is not None), None)
        known = self.found[source] if source else None
        if source is None or known is None:
            return ExampleAxis(grown, max(1, shape[grown] // self._rows))  # an input: whole examples side by side
        before = self._shapes[source]
        if op.is_view:  # the same elements in the same order
            stride = known.inner * math.prod(before[known.axis + 1 :])
            return _located(stride, shape, self._rows)
        if hasattr(op, "order"):  # a permutation of the axes
            return ExampleAxis(op.order(len(before)).index(known.axis), known.inner)
        is_as_long, in_parts = shape[grown] == before[known.axis], op.variadic or isinstance(op, Tile)
        if is_as_long or (in_parts and shape[grown] % before[known.axis] == 0):
            return ExampleAxis(grown, known.inner)  # also parts put one after the other
        return ExampleAxis(grown, max(1, shape[grown] // self._rows))


def _located(stride: int, shape: Shape, rows: int) -> ExampleAxis | None:
    """Where the examples lie in an array of `shape` if neighbours are `stride` elements apart."""
    for axis in range(len(shape)):
        after = math.prod(shape[axis + 1 :])
        if stride % after == 0 and shape[axis] * after % (stride * rows) == 0:
            return ExampleAxis(axis, stride // after)
    return None
