"""What exporters of operators write with: ONNX nodes and constants, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from .....common.errors import GraphError
from ....array import Array, Shape
from ....graphs.node import Node
from ....ops.operator import Operator
from ..extras import needed

OPSET = 17  # of September 2022: every runtime of today knows it
WHOLE_AXIS = (1 << 63) - 1  # the end of a slice that leaves nothing out


@dataclass
class Call:
    """One operator to be exported: itself, the names of its inputs in the ONNX graph, and all shapes."""

    node: Node
    op: Any  # an Operator; Any, since each exporter knows which parameters its own has
    inputs: list[str]
    shapes: list[Shape]
    outputs: list[Shape]

    def unsupported(self, what: str = "") -> GraphError:
        """The error that names node and operator."""
        assert isinstance(self.op, Operator)
        detail = f" with {what}" if what else ""
        return GraphError(f"{self.node.name}: ONNX has nothing for operator {self.op.op_name()}{detail}")


@dataclass
class Writer:
    """The ONNX nodes and constants so far; every name in the graph is unique."""

    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    prefix: str = ""  # name of the node that is being exported

    def unique(self, name: str) -> str:
        """`name`, or the first of name_1, name_2, ... that nothing has yet."""
        found, count = name, 0
        while found in self.taken:
            count += 1
            found = f"{name}_{count}"
        self.taken.add(found)
        return found

    def emit(self, kind: str, inputs: Sequence[str], count: int = 1, **attributes: Any) -> Any:
        """A node of the ONNX operator `kind`; the name of its output, or a list of names if `count` is not 1."""
        name = self.unique(f"{self.prefix}_{kind.lower()}")
        outputs = [self.unique(f"{name}_{i}" if count > 1 else f"{name}_out") for i in range(count)]
        given = {key: value for key, value in attributes.items() if value is not None}
        helper = needed("onnx.helper", "exporting to ONNX")
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, name, **given))
        return outputs[0] if count == 1 else outputs

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """The name of an array that is part of the file."""
        name = self.unique(f"{self.prefix}_constant")
        self.constants[name] = np.array(value, dtype)
        return name

    def ints(self, values: Sequence[int]) -> str:
        """The name of a vector of 64-bit numbers, as ONNX wants axes and shapes."""
        return self.constant(list(values), np.int64)

    def scalar(self, kind: str, data: str, value: float) -> str:
        """`kind` of data and a number."""
        return str(self.emit(kind, [data, self.constant(value)]))

    def cast(self, data: str, to: Any) -> str:
        """Data with elements of a numpy type."""
        helper = needed("onnx.helper", "exporting to ONNX")
        return str(self.emit("Cast", [data], to=helper.np_dtype_to_tensor_dtype(np.dtype(to))))

    def reshape(self, data: str, shape: Shape, source: Shape) -> str:
        """Data in another shape; the batch stays open where both shapes begin with it."""
        same_rows = shape[:1] == source[:1] and bool(shape)
        return str(self.emit("Reshape", [data, self.ints((0, *shape[1:]) if same_rows else shape)]))


Exporter: TypeAlias = Callable[[Writer, Call], str | list[str]]
EXPORTERS: dict[str, Exporter] = {}


def exports(*names: str) -> Callable[[Exporter], Exporter]:
    """Enter a function as the exporter of the operators of those canonical names."""

    def enter(function: Exporter) -> Exporter:
        EXPORTERS.update(dict.fromkeys(names, function))
        return function

    return enter
