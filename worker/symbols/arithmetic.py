"""Arithmetic and comparisons of symbols: each expression is one operator, under MXNet's names."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self, TypeVar

from ...common.errors import GraphError
from .compose import entries
from .methods import Methods

AnySymbol = TypeVar("AnySymbol", bound="Arithmetic")


class Arithmetic(Methods):
    """A graph with Python's signs: `a + b`, `2 * a`, `-a` and `a == b` are symbols of the same class.

    Both operands may be symbols with one output, of equal shapes, or one is a number. Raises GraphError for a symbol
    with several outputs; anything else is Python's TypeError, or, for `==` and `!=`, an object that is not equal. As
    keys of a dictionary or members of a set, two symbols are equal only if they are the same object.
    """

    # The operators' names below are the aliases that MXNet uses here: automatic node names come from them, such as
    # `_plus0`, and files and parameters depend on those.

    __slots__ = ()
    __array_ufunc__ = None  # so that numpy's scalars on the left leave the work to the symbol on the right

    def __add__(self, other: Any) -> Self:
        return _combine(self, other, "_Plus", "_PlusScalar")

    __radd__ = __add__

    def __sub__(self, other: Any) -> Self:
        return _combine(self, other, "_Minus", "_MinusScalar")

    def __rsub__(self, other: Any) -> Self:
        return _combine(self, other, "_Minus", "_RMinusScalar")

    def __mul__(self, other: Any) -> Self:
        return _combine(self, other, "_Mul", "_MulScalar")

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Self:
        return _combine(self, other, "_Div", "_DivScalar")

    def __rtruediv__(self, other: Any) -> Self:
        return _combine(self, other, "_Div", "_RDivScalar")

    def __pow__(self, other: Any) -> Self:
        return _combine(self, other, "_Power", "_PowerScalar")

    def __rpow__(self, other: Any) -> Self:
        return _combine(self, other, "_Power", "_rpower_scalar")

    def __mod__(self, other: Any) -> Self:
        return _combine(self, other, "_Mod", "_ModScalar")

    def __rmod__(self, other: Any) -> Self:
        return _combine(self, other, "_Mod", "_RModScalar")

    def __neg__(self) -> Self:
        return self * -1.0  # as in MXNet, which has no negation of symbols of its own: the node is a `_mulscalar`

    def __abs__(self) -> Self:
        absolute: Self = self.abs()
        return absolute

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        return _combine(self, other, "_equal", "_equal_scalar")

    def __ne__(self, other: object) -> Self:  # type: ignore[override]
        return _combine(self, other, "_not_equal", "_not_equal_scalar")

    def __gt__(self, other: Any) -> Self:
        return _combine(self, other, "_greater", "_greater_scalar")

    def __ge__(self, other: Any) -> Self:
        return _combine(self, other, "_greater_equal", "_greater_equal_scalar")

    def __lt__(self, other: Any) -> Self:
        return _combine(self, other, "_lesser", "_lesser_scalar")

    def __le__(self, other: Any) -> Self:
        return _combine(self, other, "_lesser_equal", "_lesser_equal_scalar")

    __hash__ = object.__hash__  # defining __eq__ has removed it

    def __bool__(self) -> bool:
        # Any symbol would be true, also that of `a == b`: an `if` or `in` with it would silently go wrong.
        raise GraphError(
            "a symbol is neither true nor false", remedy="Compare with `is`, or compute with mx.sym.where."
        )


def _combine(left: AnySymbol, right: object, with_symbol: str, with_number: str) -> AnySymbol:
    """One operator of two symbols, or of a symbol and a number; NotImplemented for anything else."""
    if isinstance(right, Arithmetic):
        return left.with_heads(entries(with_symbol, left, right))
    if isinstance(right, Real):
        return left.with_heads(entries(with_number, left, scalar=float(right)))
    return NotImplemented  # type: ignore[no-any-return]
