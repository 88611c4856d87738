"""Functions of two arrays that exist in three forms: extrema, hypot, mod, comparisons and logic.

The forms are for equal shapes (`_maximum`), with extents of 1 stretched (`broadcast_maximum`), and for an array and a
number (`_maximum_scalar`). `define` makes the three classes from one Pair; the table at the end lists them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ..array import Array, Arrays
from .broadcast import Broadcast
from .elementwise import BaseElementwise
from .parameters import Bool, Float

Value = Callable[[Any, Any, Any, Array], None]  # (xp, a, b, out): write f(a, b)
Slope = Callable[[Any, Any, Any, Array, Array], None]  # (xp, a, b, y, out): write the derivative, y being f(a, b)


@dataclass(frozen=True)
class Pair:
    """A function of two numbers and its derivatives by each; None if these are 0 wherever they exist, as for steps."""

    value: Value
    slopes: tuple[Slope, Slope] | None = None

    def gradient(self, xp: Any, which: int, a: Any, b: Any, y: Array, dy: Array, out: Array) -> None:
        """Write dy times the derivative by a (`which` 0) or b (1) to `out`; a and b broadcast to y's shape."""
        if self.slopes is None:
            out.fill(0)
            return
        self.slopes[which](xp, a, b, y, out)
        xp.multiply(out, dy, out=out)


class _TwoArrays(BaseElementwise, abstract=True):
    """y = f(lhs, rhs), f being the subclass's `pair`."""

    pair: ClassVar[Pair]

    def arguments(self) -> tuple[str, ...]:
        """lhs and rhs."""
        return ("lhs", "rhs")

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """f(lhs, rhs)."""
        self.pair.value(xp, inputs[0], inputs[1], out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy times the derivative."""
        self.pair.gradient(xp, which, inputs[0], inputs[1], y, dy, out)


class _Stretched(Broadcast, _TwoArrays, abstract=True):
    """As _TwoArrays, with extents of 1 stretched; Broadcast comes first, so that its shapes and backward are used."""


class _WithNumber(BaseElementwise, abstract=True):
    """y = f(data, scalar)."""

    pair: ClassVar[Pair]
    scalar = Float(1.0)
    is_int = Bool(True)  # written by newer files and ignored: arrays here are of one floating type

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """f(data, scalar)."""
        self.pair.value(xp, inputs[0], self.scalar, out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy times the derivative by data."""
        self.pair.gradient(xp, 0, inputs[0], self.scalar, y, dy, out)


class _NumberFirst(_WithNumber, abstract=True):
    """y = f(scalar, data), for functions whose arguments cannot be exchanged."""

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """f(scalar, data)."""
        self.pair.value(xp, self.scalar, inputs[0], out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy times the derivative by data."""
        self.pair.gradient(xp, 1, self.scalar, inputs[0], y, dy, out)


def define(words: str, doc: str, pair: Pair) -> None:
    """Register the three forms of a function; `doc` describes it, with {} for its two arguments.

    The lower-case `words` "greater equal" give `_greater_equal`, `broadcast_greater_equal` and
    `_greater_equal_scalar`, and the old names `_Greater_Equal` and `_GreaterEqualScalar`.
    """
    parts = words.split()
    name = "_".join(parts)
    capital = [part.capitalize() for part in parts]
    _register(_TwoArrays, f"_{name}", pair, doc.format("lhs", "rhs") + ", for equal shapes.", "_" + "_".join(capital))
    _register(_Stretched, f"broadcast_{name}", pair, doc.format("lhs", "rhs") + ", with extents of 1 stretched.")
    described = doc.format("data", "scalar") + "."
    _register(_WithNumber, f"_{name}_scalar", pair, described, f"_{''.join(capital)}Scalar")


def _register(base: type[BaseElementwise], name: str, pair: Pair, doc: str, *aliases: str) -> None:
    # Making the class registers it. __module__ would otherwise be that of type(), and docs/operators.md sorts by it.
    members = {"canonical": name, "aliases": aliases, "pair": pair, "blocks_gradient": pair.slopes is None}
    type(name.title().replace("_", ""), (base,), {**members, "__doc__": doc, "__module__": __name__})


def _ufunc(name: str) -> Value:
    return lambda xp, a, b, out: getattr(xp, name)(a, b, out=out)


def _where(name: str) -> Slope:
    """1 where the comparison of that name holds, else 0."""
    return lambda xp, a, b, y, out: getattr(xp, name)(a, b, out=out)


def _one(xp: Any, a: Any, b: Any, y: Array, out: Array) -> None:
    out.fill(1)


def _mod(xp: Any, a: Any, b: Any, out: Array) -> None:
    """a modulo b with b's sign; 0 where b is 0, as in MXNet (numpy has NaN there)."""
    xp.mod(a, b, out=out)
    xp.copyto(out, 0, where=xp.equal(b, 0))


def _quotient_down(xp: Any, a: Any, b: Any, y: Array, out: Array) -> None:
    """-floor(a / b), the derivative of a mod b = a - b floor(a / b) by b."""
    xp.divide(a, b, out=out)
    xp.floor(out, out=out)
    xp.negative(out, out=out)


# Where both are equal, maximum and minimum give the gradient to the first one alone; both together would double it.
define("maximum", "The larger of {} and {}", Pair(_ufunc("maximum"), (_where("greater_equal"), _where("less"))))
define("minimum", "The smaller of {} and {}", Pair(_ufunc("minimum"), (_where("less_equal"), _where("greater"))))
define(
    "hypot",
    "sqrt({}^2 + {}^2)",
    Pair(
        _ufunc("hypot"),
        (lambda xp, a, b, y, out: xp.divide(a, y, out=out), lambda xp, a, b, y, out: xp.divide(b, y, out=out)),
    ),
)
_MOD = Pair(_mod, (_one, _quotient_down))
define("mod", "{0} modulo {1}, of a quotient rounded down; 0 where {1} is 0", _MOD)
_register(_NumberFirst, "_rmod_scalar", _MOD, "scalar modulo data, and 0 where data is 0.", "_RModScalar")

define("equal", "1 where {} equals {}, else 0", Pair(_ufunc("equal")))
define("not equal", "1 where {} differs from {}, else 0", Pair(_ufunc("not_equal")))
define("greater", "1 where {} is greater than {}, else 0", Pair(_ufunc("greater")))
define("greater equal", "1 where {} is at least {}, else 0", Pair(_ufunc("greater_equal")))
define("lesser", "1 where {} is less than {}, else 0", Pair(_ufunc("less")))
define("lesser equal", "1 where {} is at most {}, else 0", Pair(_ufunc("less_equal")))
define("logical and", "1 where neither {} nor {} is 0, else 0", Pair(_ufunc("logical_and")))
define("logical or", "1 where {} or {} is not 0, else 0", Pair(_ufunc("logical_or")))
define("logical xor", "1 where one of {} and {} is 0 and the other is not, else 0", Pair(_ufunc("logical_xor")))
