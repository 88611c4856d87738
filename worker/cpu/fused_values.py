"""Numbers in the making whose sums take in products: `a + k * x` is one fused multiply-add, rounded once.

Unlike in values.py, the lines of a function do not say which. The rule is: of two terms of a sum or difference that are
products, the one on the right is taken in. So the bits of a function are still the same on every processor.
"""

from __future__ import annotations

from typing import Any

from .values import Value


class FusedValue(Value):
    """A Value that may be added to, subtracted from or multiplied by others like it and numbers."""

    def __mul__(self, other: Any) -> FusedValue:
        return Product(self, other)

    __rmul__ = __mul__

    def __neg__(self) -> FusedValue:
        return self._fused(super().__neg__())

    def __add__(self, other: Any) -> FusedValue:
        if isinstance(other, Product):
            return other.added_to(self)
        return self.added_to(other) if isinstance(self, Product) else self._fused(super().__add__(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> FusedValue:
        if isinstance(other, Product):
            return (-other).added_to(self)
        return self.added_to(-self.like(other)) if isinstance(self, Product) else self._fused(super().__sub__(other))

    def __rsub__(self, other: Any) -> FusedValue:
        return (-self).added_to(self.like(other)) if isinstance(self, Product) else self._fused(super().__rsub__(other))

    def _fused(self, made: Value) -> FusedValue:
        return FusedValue(self.build, made.value)


class Product(FusedValue):
    """A value times a factor, of which there is an instruction only if something else than a sum asks for it."""

    def __init__(self, given: FusedValue, factor: Any) -> None:
        self.build, self._given, self._factor = given.build, given, factor  # `value` is made below

    @property
    def value(self) -> Any:
        """LLVM's."""
        return Value.__mul__(self._given, self._factor).value

    def __neg__(self) -> Product:
        return Product(self._given, -self._factor)

    def added_to(self, addend: Any) -> FusedValue:
        """The sum, rounded once."""
        return self._fused(self._given.fma(self._factor, addend))
