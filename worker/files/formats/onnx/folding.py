"""Folding: parts of an ONNX graph that depend on constants alone are computed while it is read.

Exporters of other programs compute shapes step by step, from Shape over Gather and Concat to Reshape; here a shape has
to be known when a network is built.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .....common.errors import GraphError
from ..extras import needed
from .reader import Graph

_SMALL = 4096  # elements of all inputs together, and of what comes out
_LARGEST = 1 << 20  # elements of a ConstantOfShape, which takes only a few bytes in the file
# Arithmetic as on shapes; on larger arrays it is left to the network. Below, what only moves elements, at any size.
_SMALL_ONLY = {
    "Add", "Sub", "Mul", "Div", "Gather", "Concat", "Slice", "Equal", "Where", "Neg", "Floor", "Ceil", "Mod", "Min",
    "Max", "ReduceProd", "Not", "Sqrt", "Pow", "Abs", "Less", "Greater", "And", "Or",
}  # fmt: skip
_ANY_SIZE = {
    "Identity",
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Cast",
    "Flatten",
}  # outputs as large as inputs


def fold(node: Any, graph: Graph) -> bool:
    """Compute a node whose inputs are constants, and enter its outputs in graph.constants; returns whether it did.

    Raises GraphError if the node needs a shape that the file leaves open, or its constants cannot be computed.
    """
    if node.op_type == "Constant":
        graph.constants[node.output[0]] = _value(node)
        return True
    if node.op_type == "Shape":
        return _shape(node, graph)
    inputs = [name for name in node.input if name]
    if not inputs or not all(name in graph.constants for name in inputs):
        return False
    if node.op_type == "ConstantOfShape":
        return _filled(node, graph)
    size = sum(graph.constants[name].size for name in inputs)
    if node.op_type not in _ANY_SIZE and (node.op_type not in _SMALL_ONLY or size > _SMALL):
        return False
    made = size if node.op_type in _ANY_SIZE else _result_size(node, [graph.constants[name] for name in inputs])
    if node.op_type not in _ANY_SIZE and made > _SMALL:
        return False
    _spend(node, graph, made)
    outputs = _evaluate(node, graph, inputs)
    graph.constants.update(dict(zip(node.output, outputs, strict=False)))
    return True


def _result_size(node: Any, inputs: list[Any]) -> int:
    """At most how many elements a node of `_SMALL_ONLY` makes of `inputs`: they may be broadcast to far more."""
    if node.op_type == "Gather":
        axis = next((item.i for item in node.attribute if item.name == "axis"), 0)
        data, places = inputs[0], inputs[1]
        extent = data.shape[axis] if -data.ndim <= axis < data.ndim else 1
        return int(places.size * data.size // max(1, extent))
    if node.op_type in ("Concat", "Slice", "ReduceProd"):
        return int(sum(value.size for value in inputs))
    try:
        return math.prod(np.broadcast_shapes(*(value.shape for value in inputs)))
    except ValueError:  # they cannot be broadcast: computing it says so
        return 0


def _spend(node: Any, graph: Graph, elements: int) -> None:
    """Take `elements` from what folding may make of this file; GraphError if so many are not left.

    A few bytes name an operator, and so each may make another array as large as the largest there is. Four times what
    the file itself has in it, and a little, is more than any exporter needs.
    """
    graph.budget -= elements
    if graph.budget < 0:
        raise GraphError(f"{node.name or node.output[0]}: the file computes constants far larger than itself")


def _value(node: Any) -> Any:
    """The tensor, number or list of numbers in a Constant node."""
    helper = needed("onnx.helper", "reading ONNX")
    (attribute,) = node.attribute
    value = helper.get_attribute_value(attribute)
    if attribute.name == "value":
        return needed("onnx.numpy_helper", "reading ONNX").to_array(value)
    if attribute.name not in ("value_int", "value_ints", "value_float", "value_floats"):
        raise GraphError(f"{node.name or node.output[0]}: a Constant with {attribute.name}")
    return np.array(value, np.int64 if "int" in attribute.name else np.float32)


def _shape(node: Any, graph: Graph) -> bool:
    """Enter the shape of a value as a constant; GraphError unless all its extents are known."""
    name = node.input[0]
    shape = graph.constants[name].shape if name in graph.constants else graph.shapes.get(name)
    if shape is None or not all(shape):
        raise GraphError(
            f"{node.name or node.output[0]}: the shape of {name} must be fixed in the file",
            got=shape,
            remedy="Export the network again with fixed input shapes",
        )
    given = {item.name: item.i for item in node.attribute}
    graph.constants[node.output[0]] = np.array(shape[given.get("start", 0) : given.get("end", len(shape))], np.int64)
    return True


def _filled(node: Any, graph: Graph) -> bool:
    """Enter the output of a ConstantOfShape as a constant, unless it is too large."""
    if graph.constants[node.input[0]].size > 32:
        raise GraphError(f"{node.name or node.output[0]}: a constant of more than 32 axes")
    shape = [int(extent) for extent in graph.constants[node.input[0]].reshape(-1)]
    if len(shape) > 32 or min(shape, default=0) < 0 or math.prod(shape) > _LARGEST:
        raise GraphError(f"{node.name or node.output[0]}: a constant beyond all bounds", got=shape[:32])
    given = [needed("onnx.numpy_helper", "reading ONNX").to_array(item.t) for item in node.attribute]
    _spend(node, graph, math.prod(shape))
    value = given[0].reshape(-1)[:1] if given else np.zeros(1, np.float32)
    graph.constants[node.output[0]] = np.full(shape, value[0] if value.size else 0, value.dtype)
    return True


def _evaluate(node: Any, graph: Graph, inputs: list[str]) -> list[Any]:
    """The outputs of one node, as the reference implementation in the ONNX package computes them."""
    helper, evaluation = needed("onnx.helper", "reading ONNX"), needed("onnx.reference", "reading ONNX")
    described = [helper.make_empty_tensor_value_info(name) for name in {*inputs}]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
    opset = helper.make_opsetid("", graph.opset)
    model = helper.make_model(helper.make_graph([node], "part", described, outputs), opset_imports=[opset])
    try:
        found = evaluation.ReferenceEvaluator(model).run(None, {name: graph.constants[name] for name in inputs})
    except Exception as error:  # a damaged constant can make numpy raise almost any class
        raise GraphError(f"{node.name or node.output[0]}: {node.op_type} of constants ({str(error)[:100]})") from None
    return [np.asarray(value) for value in found]
