"""Importers of arithmetic: two arrays, functions of one array, comparisons, reductions, products."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....symbols.symbol import Symbol
from .reader import Step, imports

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
def _pair(step: Step) -> Symbol:
    stem, count = _PAIRS[step.kind], len(step.node.input)
    if step.get("axis") is not None:
        raise step.refuse("broadcasting along an axis, as before opset 7")
    if count == 1:
        return step.apply("identity", step.symbol(0))
    # ONNX divides integers without remainder; here they are float32.
    if step.kind == "Div" and step.node.output[0] in step.graph.whole:
        return step.apply("trunc", _two(step, stem, 0, 1, last=False))
    made = _two(step, stem, 0, 1, last=count == 2)
    for index in range(2, count):  # Max and Min take any number
        made = step.apply(f"broadcast_{stem}", made, step.symbol(index), last=index == count - 1)
    return made


def _two(step: Step, stem: str, left: int, right: int, last: bool) -> Symbol:
    """left `stem` right, by the operator that fits best: with a number, elementwise, or broadcasting."""
    for place, other, turned in ((right, left, False), (left, right, True)):
        if step.is_constant(place) and step.constant(place).size == 1 and _keeps_shape(step, place, other):
            name = _TURNED.get(stem, stem) if turned else stem
            number = float(step.constant(place).reshape(-1)[0])
            return step.apply(f"_{_WITH_NUMBER.get(name, name)}_scalar", step.symbol(other), last=last, scalar=number)
    # The elementwise operators let shape inference run backwards; broadcasting ones cannot.
    shapes = step.shape(left), step.shape(right)
    same = shapes[0] is not None and shapes[0] == shapes[1] and all(shapes[0])
    operator = f"elemwise_{stem}" if same and stem in ("add", "sub", "mul", "div") else f"broadcast_{stem}"
    return step.apply(operator, step.symbol(left), step.symbol(right), last=last)


def _keeps_shape(step: Step, number: int, other: int) -> bool:
    """Whether the constant of one element adds no axis to the other input, so that a plain number can stand for it."""
    shape = step.shape(other)
    axes = step.constant(number).ndim
    return axes == 0 or (shape is not None and axes <= len(shape))


@imports("Mod")
def _mod(step: Step) -> Symbol:
    if step.get("fmod", 0):
        raise step.refuse("fmod")
    return step.apply("broadcast_mod", step.symbol(0), step.symbol(1))


@imports("Sum", "Mean")
def _sum(step: Step) -> Symbol:
    count = len(step.node.input)
    if len({step.shape(index) for index in range(count)}) != 1 and count > 1:
        raise step.refuse("arrays of different or unknown shapes")
    total = step.apply("add_n", *(step.symbol(index) for index in range(count)), last=step.kind == "Sum")
    return total if step.kind == "Sum" else step.apply("_div_scalar", total, scalar=float(count))


@imports(*_PLAIN)
def _plain(step: Step) -> Symbol:
    return step.apply(_PLAIN[step.kind], step.symbol(0))


@imports(*_ACTIVATIONS)
def _activation(step: Step) -> Symbol:
    return step.apply("Activation", step.symbol(0), act_type=_ACTIVATIONS[step.kind])


@imports("HardSigmoid")
def _hard_sigmoid(step: Step) -> Symbol:
    return step.apply("hard_sigmoid", step.symbol(0), alpha=step.get("alpha", 0.2), beta=step.get("beta", 0.5))


@imports("HardSwish")
def _hard_swish(step: Step) -> Symbol:
    gate = step.apply("hard_sigmoid", step.symbol(0), last=False, alpha=1 / 6, beta=0.5)
    return step.apply("elemwise_mul", step.symbol(0), gate)


@imports("Clip")
def _clip(step: Step) -> Symbol:
    largest = float(np.finfo(np.float32).max)
    low, high = (
        float(step.constant(i).reshape(())) if step.has(i) else float(step.get(name, default))
        for i, name, default in ((1, "min", -largest), (2, "max", largest))
    )
    return step.apply("clip", step.symbol(0), a_min=low, a_max=high)


_REDUCTIONS = {
    "ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "prod",
    "ReduceL1": "norm", "ReduceL2": "norm", "ReduceSumSquare": "sum",
}  # fmt: skip


@imports(*_REDUCTIONS)
def _reduction(step: Step) -> Symbol:
    axes, data = step.ints(1, "axes"), step.symbol(0)
    if not axes and step.get("noop_with_empty_axes", 0):
        return step.apply("identity", data)
    if step.kind == "ReduceSumSquare":
        data = step.apply("square", data, last=False)
    given: dict[str, Any] = {"axis": axes or tuple(range(step.rank(0))), "keepdims": bool(step.get("keepdims", 1))}
    if _REDUCTIONS[step.kind] == "norm":
        return step.apply("norm", data, ord=1 if step.kind == "ReduceL1" else 2, **given)
    return step.apply(_REDUCTIONS[step.kind], data, **given)


@imports("ArgMax", "ArgMin")
def _arg(step: Step) -> Symbol:
    if step.get("select_last_index", 0):
        raise step.refuse("the last of equal elements")
    keep = bool(step.get("keepdims", 1))
    return step.apply(step.kind.lower(), step.symbol(0), axis=step.get("axis", 0), keepdims=keep)


@imports("MatMul")
def _product(step: Step) -> Symbol:
    if step.is_constant(1) and step.rank(1) == 2 and step.rank(0) >= 2:
        weight = step.constant(1).T
        inputs = step.symbol(0), step.parameter(1, weight)
        return step.apply("FullyConnected", *inputs, num_hidden=len(weight), no_bias=True, flatten=False)
    ranks = step.rank(0), step.rank(1)
    if ranks not in ((2, 2), (3, 3)):
        raise step.refuse(f"arrays of {ranks[0]} and {ranks[1]} axes")
    return step.apply("dot" if ranks == (2, 2) else "batch_dot", step.symbol(0), step.symbol(1))


@imports("IsNaN")
def _is_nan(step: Step) -> Symbol:
    return step.apply("broadcast_not_equal", step.symbol(0), step.symbol(0))
