"""What importers of operators read with: ONNX nodes whose inputs are symbols or constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from .....common.errors import GraphError
from ....array import Array, Shape
from ....symbols.compose import apply, variable
from ....symbols.symbol import Symbol
from ..extras import needed


@dataclass
class Graph:
    """What is known of the values of an ONNX graph, by name."""

    opset: int
    symbols: dict[str, Symbol] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...] | None] = field(default_factory=dict)  # 0: an extent that is not known
    whole: set[str] = field(default_factory=set)  # values that are whole numbers
    arguments: dict[str, Array] = field(default_factory=dict)
    states: dict[str, Array] = field(default_factory=dict)
    made: dict[str, list[Symbol]] = field(default_factory=dict)  # variables of parameters, by name in the file
    taken: set[str] = field(default_factory=set)

    def unique(self, name: str) -> str:
        """`name`, or the first of name_1, name_2, ... that nothing has yet."""
        found, count = name, 0
        while found in self.taken:
            count += 1
            found = f"{name}_{count}"
        self.taken.add(found)
        return found

    def parameter(self, name: str, value: Array, state: bool = False) -> Symbol:
        """A variable that starts with `value`; the same one if it was made before."""
        with np.errstate(over="ignore"):  # double precision beyond float32 is infinite
            values = np.array(value, np.float32, order="C")  # a copy, as those of the file cannot be written to
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


class Step:
    """One ONNX node: its attributes, its inputs, and the means to say what it becomes."""

    def __init__(self, node: Any, graph: Graph) -> None:
        helper = needed("onnx.helper", "reading ONNX")
        self.node, self.graph = node, graph
        self.kind: str = node.op_type
        self.name: str = graph.unique(node.name or (node.output[0] if node.output else node.op_type.lower()))
        self.attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}

    def refuse(self, why: str) -> RefusedNode:
        """The error that names node and operator."""
        return RefusedNode(f"{self.name}: ONNX operator {self.kind} cannot be read ({why})")

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute; text as str, lists as tuples."""
        value = self.attributes.get(name, default)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return tuple(value) if isinstance(value, list) else value

    def has(self, index: int) -> bool:
        """Whether the optional input is given."""
        return index < len(self.node.input) and self.node.input[index] != ""

    def is_constant(self, index: int) -> bool:
        """Whether the input is an array in the file."""
        return self.has(index) and self.node.input[index] in self.graph.constants

    def constant(self, index: int, what: str = "") -> Array:
        """The input's values; GraphError if they are only known when the network runs."""
        if not self.is_constant(index):
            raise self.refuse(f"{what or f'input {index}'} is not a constant")
        return self.graph.constants[self.node.input[index]]

    def ints(self, index: int, what: str) -> tuple[int, ...] | None:
        """Whole numbers from an input, or in older files from an attribute; None if neither is given."""
        if self.has(index):
            return tuple(int(number) for number in self.constant(index, what).reshape(-1))
        value = self.get(what)
        return None if value is None else tuple(int(number) for number in value)

    def shape(self, index: int) -> Shape | None:
        """The input's shape as far as it is known: None, or with 0 for what is not."""
        if not self.has(index):
            return None
        name = self.node.input[index]
        if name in self.graph.constants:
            return tuple(self.graph.constants[name].shape)
        return self.graph.shapes.get(name)

    def rank(self, index: int) -> int:
        """The number of the input's axes; GraphError if the file does not tell."""
        shape = self.shape(index)
        if shape is None:
            raise self.refuse(f"the number of axes of {self.node.input[index]} is not known")
        return len(shape)

    def symbol(self, index: int) -> Symbol:
        """The input as a symbol; a constant becomes a parameter."""
        if not self.has(index):
            raise self.refuse(f"input {index} is missing")
        name = self.node.input[index]
        if name in self.graph.constants:
            return self.graph.parameter(name, self.graph.constants[name])
        return self.graph.symbols[name]

    def parameter(self, index: int, value: Array | None = None, state: bool = False) -> Symbol:
        """The constant input as a parameter, perhaps with other values (transposed, say), or as an auxiliary state."""
        stored = self.constant(index) if value is None else value
        return self.graph.parameter(self.node.input[index], stored, state)

    def stretched(self, index: int, target: Shape) -> Symbol:
        """The input broadcast to `target`, a shape that is known."""
        shape = self.shape(index)
        if shape is None:
            raise self.refuse(f"the shape of {self.node.input[index]} is not known")
        wide = (1,) * (len(target) - len(shape)) + shape
        if self.is_constant(index):
            data = self.parameter(index, self.constant(index).reshape(wide))
        else:
            data = self.symbol(index)
            data = data if wide == shape else self.apply("Reshape", data, last=False, shape=wide)
        return data if wide == target else self.apply("broadcast_to", data, last=False, shape=target)

    def apply(self, operator: str, *inputs: Symbol, last: bool = True, **parameters: Any) -> Symbol:
        """An operator of this package; `last` gives it the ONNX node's name."""
        name = self.name if last else self.graph.unique(f"{self.name}_{operator.lower().strip('_')}")
        return apply(operator, *inputs, name=name, **parameters)


Importer: TypeAlias = Callable[[Step], Symbol | Sequence[Symbol]]
IMPORTERS: dict[str, Importer] = {}


def imports(*kinds: str) -> Callable[[Importer], Importer]:
    """Enter a function as the importer of those ONNX operators."""

    def enter(function: Importer) -> Importer:
        IMPORTERS.update(dict.fromkeys(kinds, function))
        return function

    return enter
