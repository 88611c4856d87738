"""Importers of arithmetic: two arrays, functions of one array, comparisons, reductions, products."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....symbols.symbol import Symbol
from .reader import OnnxNode, imports

# ONNX operator -> stem of the names broadcast_<stem>, elemwise_<stem>, _<number's stem>_scalar
_PAIRS = {
    "Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Pow": "power", "Max": "maximum", "Min": "minimum",
    "Equal": "equal", "Greater": "greater", "GreaterOrEqual": "greater_equal", "Less": "lesser",
    "LessOrEqual": "lesser_equal", "And": "logical_and", "Or": "logical_or", "Xor": "logical_xor",
}  # fmt: skip
_WITH_NUMBER = {"add": "plus", "sub": "minus"}
# stem of number <operator> array -> that of array <operator'> number; the others are symmetric
_TURNED = {
    "sub": "rminus", "div": "rdiv", "power": "rpower", "greater": "lesser", "lesser": "greater",
    "greater_equal": "lesser_equal", "lesser_equal": "greater_equal",
}  # fmt: skip
_PLAIN = {
    "Abs": "abs", "Ceil": "ceil", "Floor": "floor", "Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Sin": "sin",
    "Cos": "cos", "Tan": "tan", "Asin": "arcsin", "Acos": "arccos", "Atan": "arctan", "Sinh": "sinh", "Cosh": "cosh",
    "Asinh": "arcsinh", "Acosh": "arccosh", "Atanh": "arctanh", "Erf": "erf", "Neg": "negative",
    "Reciprocal": "reciprocal", "Sign": "sign", "Not": "logical_not",
}  # fmt: skip
_ACTIVATIONS = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softrelu", "Softsign": "softsign"}


@imports(*_PAIRS)
def _pair(node: OnnxNode) -> Symbol:
    stem, count = _PAIRS[node.kind], len(node.proto.input)
    if node.get("axis") is not None:
        raise node.refuse("broadcasting along an axis, as before opset 7")
    if count == 1:
        return node.apply("identity", node.symbol(0))
    # ONNX divides integers without remainder; here they are float32.
    if node.kind == "Div" and node.proto.output[0] in node.graph.whole:
        return node.apply("trunc", _two(node, stem, 0, 1, last=False))
    made = _two(node, stem, 0, 1, last=count == 2)
    for index in range(2, count):  # Max and Min take any number
        made = node.apply(f"broadcast_{stem}", made, node.symbol(index), last=index == count - 1)
    return made


def _two(node: OnnxNode, stem: str, left: int, right: int, last: bool) -> Symbol:
    """left `stem` right, by the operator that fits best: with a number, elementwise, or broadcasting."""
    for place, other, turned in ((right, left, False), (left, right, True)):
        if node.is_constant(place) and node.constant(place).size == 1 and _keeps_shape(node, place, other):
            name = _TURNED.get(stem, stem) if turned else stem
            number = float(node.constant(place).reshape(-1)[0])
            return node.apply(f"_{_WITH_NUMBER.get(name, name)}_scalar", node.symbol(other), last=last, scalar=number)
    # The elementwise operators let shape inference run backwards; broadcasting ones cannot.
    shapes = node.shape(left), node.shape(right)
    same = shapes[0] is not None and shapes[0] == shapes[1] and all(shapes[0])
    operator = f"elemwise_{stem}" if same and stem in ("add", "sub", "mul", "div") else f"broadcast_{stem}"
    return node.apply(operator, node.symbol(left), node.symbol(right), last=last)


def _keeps_shape(node: OnnxNode, number: int, other: int) -> bool:
    """Whether the constant of one element adds no axis to the other input, so that a plain number can stand for it."""
    shape = node.shape(other)
    axes = node.constant(number).ndim
    return axes == 0 or (shape is not None and axes <= len(shape))


@imports("Mod")
def _mod(node: OnnxNode) -> Symbol:
    if node.get("fmod", 0):
        raise node.refuse("fmod")
    return node.apply("broadcast_mod", node.symbol(0), node.symbol(1))


@imports("Sum", "Mean")
def _sum(node: OnnxNode) -> Symbol:
    count, is_sum = len(node.proto.input), node.kind == "Sum"
    inputs = [node.symbol(index) for index in range(count)]
    shapes = {node.shape(index) for index in range(count)}
    if count == 1 or (len(shapes) == 1 and None not in shapes):
        total = node.apply("add_n", *inputs, last=is_sum)
    else:
        total = inputs[0]
        for index in range(1, count):
            total = node.apply("broadcast_add", total, inputs[index], last=is_sum and index == count - 1)
    return total if is_sum else node.apply("_div_scalar", total, scalar=float(count))


@imports(*_PLAIN)
def _plain(node: OnnxNode) -> Symbol:
    return node.apply(_PLAIN[node.kind], node.symbol(0))


@imports(*_ACTIVATIONS)
def _activation(node: OnnxNode) -> Symbol:
    return node.apply("Activation", node.symbol(0), act_type=_ACTIVATIONS[node.kind])


@imports("HardSigmoid")
def _hard_sigmoid(node: OnnxNode) -> Symbol:
    return node.apply("hard_sigmoid", node.symbol(0), alpha=node.get("alpha", 0.2), beta=node.get("beta", 0.5))


@imports("HardSwish")
def _hard_swish(node: OnnxNode) -> Symbol:
    gate = node.apply("hard_sigmoid", node.symbol(0), last=False, alpha=1 / 6, beta=0.5)
    return node.apply("elemwise_mul", node.symbol(0), gate)


@imports("Clip")
def _clip(node: OnnxNode) -> Symbol:
    largest = float(np.finfo(np.float32).max)
    low, high = (
        float(node.constant(i).reshape(())) if node.has(i) else float(node.get(name, default))
        for i, name, default in ((1, "min", -largest), (2, "max", largest))
    )
    return node.apply("clip", node.symbol(0), a_min=low, a_max=high)


_REDUCTIONS = {
    "ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "prod",
    "ReduceL1": "norm", "ReduceL2": "norm", "ReduceSumSquare": "sum",
}  # fmt: skip

_OF_ONE = {"ReduceL1": "abs", "ReduceL2": "abs", "ReduceSumSquare": "square"}


@imports(*_REDUCTIONS)
def _reduction(node: OnnxNode) -> Symbol:
    axes, data = node.ints(1, "axes"), node.symbol(0)
    if not axes and node.get("noop_with_empty_axes", 0):  # nothing is added up
        return node.apply(_OF_ONE.get(node.kind, "identity"), data)
    if node.kind == "ReduceSumSquare":
        data = node.apply("square", data, last=False)
    given: dict[str, Any] = {"axis": axes or tuple(range(node.rank(0))), "keepdims": bool(node.get("keepdims", 1))}
    if _REDUCTIONS[node.kind] == "norm":
        return node.apply("norm", data, ord=1 if node.kind == "ReduceL1" else 2, **given)
    return node.apply(_REDUCTIONS[node.kind], data, **given)


@imports("ArgMax", "ArgMin")
def _arg(node: OnnxNode) -> Symbol:
    if node.get("select_last_index", 0):
        raise node.refuse("the last of equal elements")
    keep = bool(node.get("keepdims", 1))
    return node.apply(node.kind.lower(), node.symbol(0), axis=node.get("axis", 0), keepdims=keep)


@imports("MatMul")
def _product(node: OnnxNode) -> Symbol:
    if node.is_constant(1) and node.rank(1) == 2 and node.rank(0) >= 2:
        weight = node.constant(1).T
        inputs = node.symbol(0), node.parameter(1, weight)
        return node.apply("FullyConnected", *inputs, num_hidden=len(weight), no_bias=True, flatten=False)
    ranks = node.rank(0), node.rank(1)
    if ranks not in ((2, 2), (3, 3)):
        raise node.refuse(f"arrays of {ranks[0]} and {ranks[1]} axes")
    return node.apply("dot" if ranks == (2, 2) else "batch_dot", node.symbol(0), node.symbol(1))


@imports("IsNaN")
def _is_nan(node: OnnxNode) -> Symbol:
    return node.apply("broadcast_not_equal", node.symbol(0), node.symbol(0))
