"""Functions of one and of two float32 arrays, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...common.jit import kernel
from ..array import Array
from . import double_functions, functions
from .values import Value
from .vector_loops import mapped


def _relu_of(x: Value) -> Value:
    return x.at_least(0.0)


def _softsign_of(x: Value) -> Value:
    """x / (1 + |x|); inf / inf would be NaN."""
    size = x.magnitude()
    return size.equals(math.inf).choose(x.like(1.0).with_sign_of(x), x / (size + 1.0))


def _larger_and_log1p(x: Value, y: Value) -> Value:
    """ln(e^x + e^y), which is the larger of them where both are infinite."""
    larger, gap = (x < y).choose(y, x), (x - y).magnitude()
    return x.equals(y).choose(x + math.log(2), larger + functions.log1p(functions.exp(-gap)))


_map_exp = mapped(functions.exp)
_map_expm1 = mapped(functions.expm1)
_map_log = mapped(functions.log)
_map_log1p = mapped(functions.log1p)
_map_erf = mapped(functions.erf)
_map_tanh = mapped(functions.tanh)
_map_sigmoid = mapped(functions.sigmoid)
_map_softrelu = mapped(functions.softrelu)
_map_softsign = mapped(_softsign_of)
_map_relu = mapped(_relu_of)
_map_logaddexp = mapped(_larger_and_log1p)
_map_power = mapped(double_functions.power)


@kernel
def _exp(x: Array, out: Array) -> None:
    _map_exp((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _expm1(x: Array, out: Array) -> None:
    _map_expm1((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _log(x: Array, out: Array) -> None:
    _map_log((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _log1p(x: Array, out: Array) -> None:
    _map_log1p((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _erf(x: Array, out: Array) -> None:
    _map_erf((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def tanh(x: Array, out: Array) -> None:
    """out = tanh(x), of flat arrays of one length."""
    _map_tanh((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def sigmoid(x: Array, out: Array) -> None:
    """out = 1 / (1 + e^-x), of flat arrays of one length."""
    _map_sigmoid((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def softrelu(x: Array, out: Array) -> None:
    """out = ln(1 + e^x), of flat arrays of one length."""
    _map_softrelu((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def softsign(x: Array, out: Array) -> None:
    """out = x / (1 + |x|), of flat arrays of one length."""
    _map_softsign((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def relu(x: Array, out: Array) -> None:
    """out = max(x, 0), of flat arrays of one length; NaN stays."""
    _map_relu((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def logaddexp(x: Array, y: Array, out: Array) -> None:
    """out = ln(e^x + e^y), of flat arrays of one length."""
    _map_logaddexp((x.ctypes.data, y.ctypes.data), (), out.ctypes.data, x.size)


@kernel
def power(x: Array, y: Array, out: Array) -> None:
    """out = x^y, of flat arrays of one length."""
    _map_power((x.ctypes.data, y.ctypes.data), (), out.ctypes.data, x.size)


# (x, out): flat arrays of one length, which may be the same.
FUNCTIONS: dict[str, Callable[[Array, Array], None]] = {
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "erf": _erf,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "softrelu": softrelu,
    "softsign": softsign,
    "relu": relu,
}
