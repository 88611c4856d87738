"""clip: every element limited to the range between two bounds."""

from __future__ import annotations

from typing import Any

from ...common.errors import ParameterError
from ..array import Array, Arrays
from .elementwise import BaseElementwise
from .parameters import Float


class Clip(BaseElementwise):
    """y = min(max(data, a_min), a_max), of data's shape. The gradient passes where a_min <= data <= a_max."""

    number_by_number = True

    canonical = "clip"
    a_min = Float()
    a_max = Float()

    def check(self) -> None:
        """Raise ParameterError unless a_min <= a_max."""
        if not self.a_min <= self.a_max:
            raise ParameterError("clip: parameter a_max", expected=f"at least a_min {self.a_min:g}", got=self.a_max)

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = min(max(x, a_min), a_max)."""
        xp.clip(inputs[0], self.a_min, self.a_max, out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy where y is x, else 0."""
        # y differs from x only where a bound took effect; where x equals a bound, the gradient passes.
        xp.equal(inputs[0], y, out=out)
        xp.multiply(out, dy, out=out)
