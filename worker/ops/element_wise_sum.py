"""ElementWiseSum: the sum of any number of arrays of one shape."""

from __future__ import annotations

from typing import Any

from ..array import Array, Arrays
from .elementwise import BaseElementwise
from .parameters import Int


class ElementWiseSum(BaseElementwise):
    """arg0 + arg1 + ..., for equal shapes, added from left to right.

    num_args is filled in when the inputs are given by position.
    """

    canonical = "add_n"
    aliases = ("ElementWiseSum", "_sum")
    variadic = True
    num_args = Int(minimum=1, maximum=1 << 16)

    def arguments(self) -> tuple[str, ...]:
        """arg0 to arg<num_args - 1>."""
        return tuple(f"arg{i}" for i in range(self.num_args))

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = a + b + ..., from left to right: another order would give other bits."""
        if len(inputs) == 1:
            out[...] = inputs[0]
            return
        xp.add(inputs[0], inputs[1], out=out)  # spares copying the first input
        for data in inputs[2:]:
            xp.add(out, data, out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy for each input."""
        out[...] = dy
