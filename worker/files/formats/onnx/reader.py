"""What the importers of operators share: the Graph read so far, the OnnxNode that is read, and their registry.

An importer takes an OnnxNode and returns the symbol of the node's output, or a list of symbols if it has several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from .....common.errors import GraphError
from ....array import Array, Shape
from ....symbols.operators import apply
from ....symbols.symbol import Symbol
from ....symbols.variables import variable
from ..extras import needed


@dataclass
class Graph:
    """What is known of the values of an ONNX graph, by name.

    `arguments` and `states` are the parameters made so far, as float32 arrays of the constants' shapes.
    """

    opset: int
    symbols: dict[str, Symbol] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...] | None] = field(default_factory=dict)  # 0 stands for an extent that is not known
    whole: set[str] = field(default_factory=set)  # names of values with integer elements
    arguments: dict[str, Array] = field(default_factory=dict)
    states: dict[str, Array] = field(default_factory=dict)
    made: dict[str, list[Symbol]] = field(default_factory=dict)  # variables of parameters, by their name in the file
    taken: set[str] = field(default_factory=set)
    budget: int = 1 << 22  # elements that folding may still make; see folding.py

    def unique(self, name: str) -> str:
        """`name`, or the first of name_1, name_2, ... that nothing has yet."""
        found, count = name, 0
        while found in self.taken:
            count += 1
            found = f"{name}_{count}"
        self.taken.add(found)
        return found

    def parameter(self, name: str, value: Array, state: bool = False) -> Symbol:
        """A variable for the constant `name` that starts with `value`, whose shape it takes.

        Asking again with the same value gives the same variable; with another one (transposed, say) it gives a new
        variable under a new name. `state` makes it an auxiliary state.
        """
        values = np.array(value, np.float32, order="C")  # a copy, as arrays of the file cannot be written to
        where = self.states if state else self.arguments
        for symbol in self.made.setdefault(name, []):
            if np.array_equal(where.get(str(symbol.name), ()), values):
                return symbol
        found = self.unique(name)
        where[found] = values
        self.made[name].append(variable(found, shape=values.shape if values.size else None))
        return self.made[name][-1]


class RefusedNode(GraphError):
    """An ONNX node that cannot be read as it is; the text names it."""


class OnnxNode:
    """One ONNX node that becomes symbols: its attributes, its inputs by index, and means to apply operators to them.

    Constants have the shapes that the file gives them. Methods raise GraphError, which names node and operator, if the
    file leaves open what they are asked for.
    """

    def __init__(self, proto: Any, graph: Graph) -> None:
        helper = needed("onnx.helper", "reading ONNX")
        self.proto, self.graph = proto, graph
        self.kind: str = proto.op_type
        self.name: str = graph.unique(proto.name or (proto.output[0] if proto.output else proto.op_type.lower()))
        self.attributes = {item.name: helper.get_attribute_value(item) for item in proto.attribute}

    def refuse(self, why: str) -> RefusedNode:
        """The error that names node and operator."""
        return RefusedNode(f"{self.name}: ONNX operator {self.kind} cannot be read ({why})")

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or `default` if it is not given; text comes as str, lists as tuples."""
        value = self.attributes.get(name, default)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return tuple(value) if isinstance(value, list) else value

    def has(self, index: int) -> bool:
        """Whether the optional input is given; ONNX leaves one out by an empty name."""
        return index < len(self.proto.input) and self.proto.input[index] != ""

    def is_constant(self, index: int) -> bool:
        """Whether the input is a constant: an array in the file, or one folded from such arrays."""
        return self.has(index) and self.proto.input[index] in self.graph.constants

    def constant(self, index: int, what: str = "") -> Array:
        """The input's values, in its own shape. Raises GraphError if they are only known when the network runs."""
        if not self.is_constant(index):
            raise self.refuse(f"{what or f'input {index}'} is not a constant")
        return self.graph.constants[self.proto.input[index]]

    def ints(self, index: int, what: str) -> tuple[int, ...] | None:
        """Whole numbers from a constant input, or from the attribute `what` that older opsets had; None without both.

        Raises GraphError if the input is not a constant.
        """
        if self.has(index):
            return tuple(int(number) for number in self.constant(index, what).reshape(-1))
        value = self.get(what)
        return None if value is None else tuple(int(number) for number in value)

    def shape(self, index: int) -> Shape | None:
        """The input's shape as far as it is known: 0 for an extent that is not, None if the rank is not."""
        if not self.has(index):
            return None
        name = self.proto.input[index]
        if name in self.graph.constants:
            return tuple(self.graph.constants[name].shape)
        return self.graph.shapes.get(name)

    def rank(self, index: int) -> int:
        """The number of the input's axes. Raises GraphError if the file does not tell."""
        shape = self.shape(index)
        if shape is None:
            raise self.refuse(f"the number of axes of {self.proto.input[index]} is not known")
        return len(shape)

    def symbol(self, index: int) -> Symbol:
        """The input as a symbol; a constant becomes a parameter. Raises GraphError if the input is not given."""
        if not self.has(index):
            raise self.refuse(f"input {index} is missing")
        name = self.proto.input[index]
        if name in self.graph.constants:
            return self.graph.parameter(name, self.graph.constants[name])
        return self.graph.symbols[name]

    def parameter(self, index: int, value: Array | None = None, state: bool = False) -> Symbol:
        """The constant input as a parameter, of its own shape or that of `value`, which replaces it (transposed, say).

        `state` makes it an auxiliary state. Raises GraphError if the input is not a constant.
        """
        stored = self.constant(index) if value is None else value
        return self.graph.parameter(self.proto.input[index], stored, state)

    def stretched(self, index: int, target: Shape) -> Symbol:
        """The input broadcast to the shape `target`, which has no open extents. Raises GraphError without a shape."""
        shape = self.shape(index)
        if shape is None:
            raise self.refuse(f"the shape of {self.proto.input[index]} is not known")
        wide = (1,) * (len(target) - len(shape)) + shape
        if self.is_constant(index):
            data = self.parameter(index, self.constant(index).reshape(wide))
        else:
            data = self.symbol(index)
            data = data if wide == shape else self.apply("Reshape", data, last=False, shape=wide)
        return data if wide == target else self.apply("broadcast_to", data, last=False, shape=target)

    def apply(self, operator: str, *inputs: Symbol, last: bool = True, **parameters: Any) -> Symbol:
        """Apply an operator of this package. `last` gives it the ONNX node's name, which the last one of a node takes.

        Raises ParameterError, ShapeError or GraphError as that operator does.
        """
        name = self.name if last else self.graph.unique(f"{self.name}_{operator.lower().strip('_')}")
        return apply(operator, *inputs, name=name, **parameters)


Importer: TypeAlias = Callable[[OnnxNode], Symbol | Sequence[Symbol]]
IMPORTERS: dict[str, Importer] = {}


def imports(*kinds: str) -> Callable[[Importer], Importer]:
    """Register the decorated function as the importer of those ONNX operators."""

    def enter(function: Importer) -> Importer:
        IMPORTERS.update(dict.fromkeys(kinds, function))
        return function

    return enter
