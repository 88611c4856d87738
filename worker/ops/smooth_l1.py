"""smooth_l1: the absolute value, rounded off by a parabola near zero; the loss of box regression."""

from __future__ import annotations

from typing import Any

from ..array import Array, Arrays
from .elementwise import BaseElementwise
from .parameters import Float


class SmoothL1(BaseElementwise):
    """y = (s x)^2 / 2 where |x| < 1 / s^2, else |x| - 1 / (2 s^2); s is `scalar`. Girshick: "Fast R-CNN" (2015)."""

    canonical = "smooth_l1"
    scalar = Float(1.0)

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """s^2 m^2 / 2 + |x| - m, m being the smaller of |x| and 1 / s^2: both cases in one formula."""
        # Written so that neither case is selected by a comparison, which costs arrays of bools, and NaN stays NaN.
        square = self.scalar**2
        size = xp.absolute(inputs[0])
        xp.minimum(size, self._bound(), out=out)
        size -= out
        xp.multiply(out, out, out=out)
        out *= square / 2
        out += size

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy times s^2 x limited to [-1, 1]."""
        xp.multiply(inputs[0], self.scalar**2, out=out)
        xp.clip(out, -1, 1, out=out)
        out *= dy

    def _bound(self) -> float:
        """1 / s^2, where the parabola ends; infinity for s = 0, which makes y = 0."""
        return 1 / self.scalar**2 if self.scalar else float("inf")
