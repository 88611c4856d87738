"""Arithmetic on symbols: each expression is one operator, under MXNet's names."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from .symbol import Symbol


class Arithmetic:
    """What makes `a + b`, `2 * a` and `-a` symbols. The names give the automatic node names, such as `_plus0`."""

    __slots__ = ()
    __array_ufunc__ = None  # so that numpy's scalars on the left leave the work to the symbol on the right

    def __add__(self, other: Any) -> Symbol:
        return _combine(self, other, "_Plus", "_PlusScalar")

    __radd__ = __add__

    def __sub__(self, other: Any) -> Symbol:
        return _combine(self, other, "_Minus", "_MinusScalar")

    def __rsub__(self, other: Any) -> Symbol:
        return _combine(self, other, "_Minus", "_RMinusScalar")

    def __mul__(self, other: Any) -> Symbol:
        return _combine(self, other, "_Mul", "_MulScalar")

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Symbol:
        return _combine(self, other, "_Div", "_DivScalar")

    def __rtruediv__(self, other: Any) -> Symbol:
        return _combine(self, other, "_Div", "_RDivScalar")

    def __pow__(self, other: Any) -> Symbol:
        return _combine(self, other, "_Power", "_PowerScalar")

    def __rpow__(self, other: Any) -> Symbol:
        return _combine(self, other, "_Power", "_rpower_scalar")

    def __neg__(self) -> Symbol:
        return self * -1.0


def _combine(left: Arithmetic, right: object, with_symbol: str, with_number: str) -> Symbol:
    """One operator of two symbols, or of a symbol and a number; NotImplemented for anything else."""
    from .compose import apply

    if isinstance(right, Arithmetic):
        return apply(with_symbol, cast("Symbol", left), cast("Symbol", right))
    if isinstance(right, Real):
        return apply(with_number, cast("Symbol", left), scalar=float(right))
    return NotImplemented  # type: ignore[no-any-return]
