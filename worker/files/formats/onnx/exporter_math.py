"""Exporters of arithmetic: two arrays, an array and a number, functions of one array, reductions, products.

Values in the file are float32 throughout. Where ONNX has booleans (comparisons) or integers (ArgMax), a Cast follows.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .writer import Call, Writer, exports

# stem of the operator's name -> ONNX operator; broadcast_add and elemwise_add are both Add, since ONNX broadcasts
_PAIRS = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "power": "Pow", "maximum": "Max", "minimum": "Min",
}  # fmt: skip
_COMPARED = {
    "equal": "Equal", "greater": "Greater", "greater_equal": "GreaterOrEqual", "lesser": "Less",
    "lesser_equal": "LessOrEqual", "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor",
}  # fmt: skip
# operators that are the same in ONNX but for their name
_PLAIN = {
    "abs": "Abs", "ceil": "Ceil", "floor": "Floor", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sin": "Sin",
    "cos": "Cos", "tan": "Tan", "arcsin": "Asin", "arccos": "Acos", "arctan": "Atan", "sinh": "Sinh", "cosh": "Cosh",
    "tanh": "Tanh", "arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh", "erf": "Erf", "negative": "Neg",
    "reciprocal": "Reciprocal", "relu": "Relu", "sigmoid": "Sigmoid", "sign": "Sign", "softsign": "Softsign",
}  # fmt: skip
_TIMES = {"degrees": 180 / math.pi, "radians": math.pi / 180}
_LOGARITHMS = {"log10": 10.0, "log2": 2.0}


def combine(to: Writer, call: Call, stem: str, left: str, right: str) -> str:
    """Emit `left stem right`, both names of values, such as left + right for "add"; returns the result's name.

    Raises GraphError if ONNX has nothing for that stem.
    """
    if stem in _PAIRS:
        return str(to.emit(_PAIRS[stem], [left, right]))
    if stem in _COMPARED:
        kind = _COMPARED[stem]
        pair = [to.cast(side, np.bool_) for side in (left, right)] if stem.startswith("logical") else [left, right]
        return to.cast(to.emit(kind, pair), np.float32)
    if stem == "not_equal":
        return to.cast(to.emit("Not", [to.emit("Equal", [left, right])]), np.float32)
    if stem == "mod":  # Python's remainder, with the divisor's sign; ONNX's Mod of floats is C's fmod
        whole = to.emit("Floor", [to.emit("Div", [left, right])])
        return str(to.emit("Sub", [left, to.emit("Mul", [whole, right])]))
    if stem == "hypot":
        squares = [to.emit("Mul", [side, side]) for side in (left, right)]
        return str(to.emit("Sqrt", [to.emit("Add", squares)]))
    raise call.unsupported()


_ARITHMETIC = ("add", "sub", "mul", "div")
_FURTHER = ("power", "maximum", "minimum", "mod", "hypot", "not_equal", *_COMPARED)


@exports(
    *(f"elemwise_{stem}" for stem in _ARITHMETIC),
    *(f"broadcast_{stem}" for stem in (*_ARITHMETIC, *_FURTHER)),
    *(f"_{stem}" for stem in _FURTHER),
)
def _pair(to: Writer, call: Call) -> str:
    stem = call.op.op_name().removeprefix("elemwise_").removeprefix("broadcast_").removeprefix("_")
    return combine(to, call, stem, *call.inputs)


@exports(
    *(f"_{stem}_scalar" for stem in ("plus", "minus", "mul", "div", *_FURTHER, "rminus", "rdiv", "rpower", "rmod")),
)
def _with_number(to: Writer, call: Call) -> str:
    stem = call.op.op_name().removeprefix("_").removesuffix("_scalar")
    sides = [call.inputs[0], to.constant(call.op.scalar)]
    if stem in ("rminus", "rdiv", "rpower", "rmod"):  # "r" for reversed: number - array
        stem, sides = stem[1:], sides[::-1]
    return combine(to, call, {"plus": "add", "minus": "sub"}.get(stem, stem), *sides)


@exports("add_n")
def _sum_of_all(to: Writer, call: Call) -> str:
    return str(to.emit("Sum", call.inputs))


@exports(*_PLAIN)
def _plain(to: Writer, call: Call) -> str:
    return str(to.emit(_PLAIN[call.op.op_name()], call.inputs))


@exports(*_TIMES)
def _times(to: Writer, call: Call) -> str:
    return to.scalar("Mul", call.inputs[0], _TIMES[call.op.op_name()])


@exports(*_LOGARITHMS)
def _logarithm(to: Writer, call: Call) -> str:
    return to.scalar("Div", to.emit("Log", call.inputs), math.log(_LOGARITHMS[call.op.op_name()]))


def _signed(to: Writer, data: str, change: Callable[[str], str]) -> str:
    """Emit sign(data) * change(|data|), for odd functions that ONNX has for positive numbers only."""
    return str(to.emit("Mul", [to.emit("Sign", [data]), change(to.emit("Abs", [data]))]))


_COMPOSED: dict[str, Callable[[Writer, str], str]] = {
    "square": lambda to, x: to.emit("Mul", [x, x]),
    "rsqrt": lambda to, x: to.emit("Reciprocal", [to.emit("Sqrt", [x])]),
    "log1p": lambda to, x: to.emit("Log", [to.scalar("Add", x, 1)]),
    "expm1": lambda to, x: to.scalar("Sub", to.emit("Exp", [x]), 1),
    "cbrt": lambda to, x: _signed(to, x, lambda y: to.scalar("Pow", y, 1 / 3)),
    "rcbrt": lambda to, x: _signed(to, x, lambda y: to.scalar("Pow", y, -1 / 3)),
    "trunc": lambda to, x: _signed(to, x, lambda y: to.emit("Floor", [y])),
    "fix": lambda to, x: _signed(to, x, lambda y: to.emit("Floor", [y])),
    "round": lambda to, x: _signed(to, x, lambda y: to.emit("Floor", [to.scalar("Add", y, 0.5)])),
    "rint": lambda to, x: to.emit("Ceil", [to.scalar("Sub", x, 0.5)]),  # MXNet rounds halves down, ONNX to even
    "logical_not": lambda to, x: to.cast(to.scalar("Equal", x, 0), np.float32),
}


@exports(*_COMPOSED)
def _composed(to: Writer, call: Call) -> str:
    return _COMPOSED[call.op.op_name()](to, call.inputs[0])


@exports("clip")
def _clip(to: Writer, call: Call) -> str:
    return str(to.emit("Clip", [call.inputs[0], to.constant(call.op.a_min), to.constant(call.op.a_max)]))


_REDUCTIONS = {
    "sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd",
    "nansum": "ReduceSum", "nanprod": "ReduceProd", "norm": "ReduceL2",
}  # fmt: skip


@exports(*_REDUCTIONS)
def _reduction(to: Writer, call: Call) -> str:
    op, data, kind = call.op, call.inputs[0], _REDUCTIONS[call.op.op_name()]
    if op.op_name().startswith("nan"):  # NaNs do not count: replace them by the neutral element
        neutral = to.constant(0 if op.op_name() == "nansum" else 1)
        data = to.emit("Where", [to.emit("IsNaN", [data]), neutral, data])
    if op.op_name() == "norm" and op.ord == 1:
        kind = "ReduceL1"
    axes = op.folded(len(call.shapes[0]))
    keep = int(op.keepdims)
    if not axes:  # ONNX would take that for all axes
        return str(to.emit("Abs" if op.op_name() == "norm" else "Identity", [data]))
    if kind == "ReduceSum":  # the only one of them that takes its axes as an input in opset 17
        made = str(to.emit(kind, [data, to.ints(axes)], keepdims=keep))
    else:
        made = str(to.emit(kind, [data], axes=list(axes), keepdims=keep))
    # A reduction over all axes is a scalar in ONNX, and an array of shape (1,) in MXNet.
    everything = len(axes) == len(call.shapes[0]) and not op.keepdims
    return str(to.emit("Reshape", [made, to.ints((1,))])) if everything else made


@exports("argmax", "argmin", "argmax_channel")
def _arg(to: Writer, call: Call) -> str:
    op, data, axis = call.op, call.inputs[0], call.op.axis
    if op.op_name() == "argmax_channel":
        axis = 1
    elif axis is None:
        data, axis = to.emit("Reshape", [data, to.ints((-1,))]), 0
    kind = "ArgMin" if op.op_name() == "argmin" else "ArgMax"
    found = to.cast(to.emit(kind, [data], axis=axis, keepdims=int(op.keepdims)), np.float32)
    # Of all elements, ONNX makes a scalar or, as they were put in a row above, one axis.
    whole = op.axis is None or len(call.shapes[0]) == 1
    return str(to.emit("Reshape", [found, to.ints((1,) * len(call.outputs[0]))])) if whole else found


@exports("dot", "batch_dot")
def _dot(to: Writer, call: Call) -> str:
    axes, sides = 2 if call.op.op_name() == "dot" else 3, []
    for name, shape, turned in zip(call.inputs, call.shapes, (call.op.transpose_a, call.op.transpose_b), strict=True):
        if len(shape) != axes:  # MatMul broadcasts other ranks by rules that are not dot's
            raise call.unsupported(f"an input of {len(shape)} axes")
        order = [*range(axes - 2), axes - 1, axes - 2]
        sides.append(to.emit("Transpose", [name], perm=order) if turned else name)
    return str(to.emit("MatMul", sides))
