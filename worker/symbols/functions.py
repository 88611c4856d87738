"""Functions of `mx.sym` that are more than one operator: of symbols or numbers, and constants.

Functions of two arguments take two symbols of equal shapes, or a symbol and a number; they raise GraphError for others.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

from ...common.errors import GraphError
from .operators import apply
from .symbol import Symbol


def maximum(left: Symbol | float, right: Symbol | float) -> Symbol:
    """The larger of both, element by element; one of them may be a number."""
    return _either("maximum", left, right, "_Maximum", "_MaximumScalar", "_MaximumScalar")


def minimum(left: Symbol | float, right: Symbol | float) -> Symbol:
    """The smaller of both, element by element; one of them may be a number."""
    return _either("minimum", left, right, "_Minimum", "_MinimumScalar", "_MinimumScalar")


def pow(base: Symbol | float, exp: Symbol | float) -> Symbol:
    """base to the power exp, element by element; one of them may be a number."""
    return _either("pow", base, exp, "_Power", "_PowerScalar", "_RPowerScalar")


power = pow


def hypot(left: Symbol | float, right: Symbol | float) -> Symbol:
    """sqrt(left^2 + right^2), element by element; one of them may be a number."""
    return _either("hypot", left, right, "_Hypot", "_HypotScalar", "_HypotScalar")


def zeros(shape: int | tuple[int, ...], dtype: Any = "float32", **keywords: Any) -> Symbol:
    """An array of zeros. An extent of 0 in `shape` is inferred from where it is used, such as the batch in the first
    state of an LSTM. ParameterError for a bad shape or dtype.
    """
    return apply("_zeros", shape=shape, dtype=dtype, **keywords)


def ones(shape: int | tuple[int, ...], dtype: Any = "float32", **keywords: Any) -> Symbol:
    """An array of ones; `shape` and errors as in `zeros`."""
    return apply("_ones", shape=shape, dtype=dtype, **keywords)


def full(shape: int | tuple[int, ...], val: float, dtype: Any = "float32", **keywords: Any) -> Symbol:
    """An array that holds `val` everywhere; `shape` and errors as in `zeros`."""
    return apply("_full", shape=shape, value=val, dtype=dtype, **keywords)


def arange(
    start: float, stop: float | None = None, step: float = 1.0, repeat: int = 1, dtype: Any = "float32", **keywords: Any
) -> Symbol:
    """The vector start, start + step, ... up to but not including stop, each value `repeat` times.

    Without `stop`, it goes from 0 to `start`. ParameterError for bad values.
    """
    return apply("_arange", start=start, stop=stop, step=step, repeat=repeat, dtype=dtype, **keywords)


def _either(what: str, left: Any, right: Any, both: str, number_last: str, number_first: str) -> Symbol:
    """The operator for two symbols, for a symbol and a number, or for a number and a symbol. GraphError for others."""
    if isinstance(left, Symbol) and isinstance(right, Symbol):
        return apply(both, left, right)
    if isinstance(left, Symbol) and isinstance(right, Real):
        return apply(number_last, left, scalar=float(right))
    if isinstance(left, Real) and isinstance(right, Symbol):
        return apply(number_first, right, scalar=float(left))
    got = f"{type(left).__name__} and {type(right).__name__}"
    raise GraphError(what, expected="two symbols, or a symbol and a number", got=got)
