"""What the exporters of operators share: the Call that they export, the Writer for ONNX nodes, and their registry.

An exporter takes a Writer and a Call, emits nodes, and returns the name of the value that they make, or a list of names
if the operator has several outputs.
"""

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
    """One operator to be exported: node, operator, and the names of its inputs in the ONNX graph.

    `shapes` are the shapes of these inputs, `outputs` those of its outputs; `grown_shapes` and `grown_outputs` are
    these with one row more in the batch, if the file is to take any number of rows.
    """

    node: Node
    op: Any  # an Operator; Any, since each exporter knows which parameters its own has
    inputs: list[str]
    shapes: list[Shape]
    outputs: list[Shape]
    grown_shapes: list[Shape]
    grown_outputs: list[Shape]

    def target(self) -> Shape:
        """The first output's shape for a Reshape: -1 is the extent that follows from the number of rows.

        Raises GraphError if two extents do.
        """
        found = tuple(n if n == m else -1 for n, m in zip(self.outputs[0], self.grown_outputs[0], strict=True))
        if found.count(-1) > 1:
            raise self.unsupported("several extents that follow from the number of rows")
        return found

    def extent(self, axis: int) -> int:
        """The first input's extent along that axis, which the file will hold. Raises GraphError if it is to be open."""
        if self.shapes[0][axis] != self.grown_shapes[0][axis]:
            raise self.unsupported(f"axis {axis}, whose extent is to stay open")
        return self.shapes[0][axis]

    def unsupported(self, what: str = "") -> GraphError:
        """The GraphError, to be raised by the caller, that ONNX lacks this operator, or lacks it `what`."""
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
        """Add a node of the ONNX operator `kind`; returns its output's name, or a list of names if `count` is not 1.

        Attributes that are None are left out, so that ONNX's defaults hold.
        """
        name = self.unique(f"{self.prefix}_{kind.lower()}")
        outputs = [self.unique(f"{name}_{i}" if count > 1 else f"{name}_out") for i in range(count)]
        given = {key: value for key, value in attributes.items() if value is not None}
        helper = needed("onnx.helper", "exporting to ONNX")
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, name, **given))
        return outputs[0] if count == 1 else outputs

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Add an array to the file; returns its name."""
        name = self.unique(f"{self.prefix}_constant")
        self.constants[name] = np.array(value, dtype)
        return name

    def ints(self, values: Sequence[int]) -> str:
        """Add a vector of int64, the form in which ONNX takes axes and shapes; returns its name."""
        return self.constant(list(values), np.int64)

    def scalar(self, kind: str, data: str, value: float) -> str:
        """Add the operator `kind` of `data` and a number; returns the output's name."""
        return str(self.emit(kind, [data, self.constant(value)]))

    def cast(self, data: str, to: Any) -> str:
        """Convert the elements of `data` to a numpy type; returns the output's name."""
        helper = needed("onnx.helper", "exporting to ONNX")
        return str(self.emit("Cast", [data], to=helper.np_dtype_to_tensor_dtype(np.dtype(to))))


Exporter: TypeAlias = Callable[[Writer, Call], str | list[str]]
EXPORTERS: dict[str, Exporter] = {}


def exports(*names: str) -> Callable[[Exporter], Exporter]:
    """Register the decorated function as the exporter of the operators of those canonical names."""

    def enter(function: Exporter) -> Exporter:
        EXPORTERS.update(dict.fromkeys(names, function))
        return function

    return enter
