"""Operators as methods of symbols: `x.reshape((0, -1))` is `mx.sym.reshape(x, (0, -1))`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graphs.graph import Graph
from .compose import entries, function


class _Method:
    """The operator of the attribute's own name, or of another, with the symbol as its first input."""

    def __init__(self, operator: str = "") -> None:
        self.operator = operator

    def __set_name__(self, owner: type, name: str) -> None:
        self.operator = self.operator or name

    def __get__(self, symbol: Any, owner: type) -> Callable[..., Any]:
        if symbol is None:
            return function(self.operator, owner)

        def method(*args: Any, **keywords: Any) -> Any:
            return symbol.with_heads(entries(self.operator, symbol, *args, **keywords))

        return method


class Methods(Graph):
    """The methods that MXNet's symbols have; parameters follow by position or by name."""

    __slots__ = ()

    abs = _Method()
    arccos = _Method()
    arccosh = _Method()
    arcsin = _Method()
    arcsinh = _Method()
    arctan = _Method()
    arctanh = _Method()
    argmax = _Method()
    argmax_channel = _Method()
    argmin = _Method()
    astype = _Method("Cast")
    broadcast_axes = _Method()
    broadcast_like = _Method()
    broadcast_to = _Method()
    cbrt = _Method()
    ceil = _Method()
    clip = _Method()
    cos = _Method()
    cosh = _Method()
    degrees = _Method()
    exp = _Method()
    expand_dims = _Method()
    expm1 = _Method()
    fix = _Method()
    flatten = _Method()
    flip = _Method()
    floor = _Method()
    log = _Method()
    log10 = _Method()
    log1p = _Method()
    log2 = _Method()
    log_softmax = _Method()
    max = _Method()
    mean = _Method()
    min = _Method()
    nanprod = _Method()
    nansum = _Method()
    norm = _Method()
    one_hot = _Method()
    ones_like = _Method()
    pad = _Method()
    pick = _Method()
    prod = _Method()
    radians = _Method()
    rcbrt = _Method()
    reciprocal = _Method()
    relu = _Method()
    repeat = _Method()
    reshape = _Method()
    rint = _Method()
    round = _Method()
    rsqrt = _Method()
    sigmoid = _Method()
    sign = _Method()
    sin = _Method()
    sinh = _Method()
    slice = _Method()
    slice_axis = _Method()
    slice_like = _Method()
    softmax = _Method()
    softmin = _Method()
    split = _Method()
    sqrt = _Method()
    square = _Method()
    squeeze = _Method()
    sum = _Method()
    swapaxes = _Method()
    take = _Method()
    tan = _Method()
    tanh = _Method()
    tile = _Method()
    transpose = _Method()
    trunc = _Method()
    zeros_like = _Method()
