"""Numbers in the making: the arithmetic that functions of compiled kernels are written in.

A `Value` stands for one number or for a vector of them, of either precision, and every operation on it adds an
instruction of LLVM's. So the same lines make vectors of any width, and what is left over at the end of an array.

Nothing is reassociated or contracted: a sum and a product round where they stand, and a fused multiply-add is one only
where it says `fma` (but see fused_values.py). With that the bits of a function are the same on every processor.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

FLOAT, DOUBLE, BITS, INT = ir.FloatType(), ir.DoubleType(), ir.IntType(32), ir.IntType(64)


def _shaped(element: Any, like: Any) -> Any:
    """`element`, or a vector of as many as the type `like` has."""
    return ir.VectorType(element, like.count) if isinstance(like, ir.VectorType) else element


def _element(kind: Any) -> Any:
    return kind.element if isinstance(kind, ir.VectorType) else kind


def constant(kind: Any, number: float) -> Any:
    """`number` as a constant of that type, at every place if it is a vector."""
    return ir.Constant(kind, [number] * kind.count if isinstance(kind, ir.VectorType) else number)


def spread(build: ir.IRBuilder, number: Any, count: int) -> Any:
    """A vector with `number` at each of its `count` places."""
    undefined, places = ir.Constant(ir.VectorType(number.type, count), ir.Undefined), ir.VectorType(BITS, count)
    return build.shuffle_vector(build.insert_element(undefined, number, BITS(0)), undefined, constant(places, 0))


def intrinsic_of(build: ir.IRBuilder, name: str, kind: Any, takes: int) -> Any:
    """LLVM's function of that name, from `takes` arguments of a type to the same type."""
    width = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
    full = f"llvm.{name}.{width}{'f32' if _element(kind) == FLOAT else 'f64'}"
    found = build.module.globals.get(full)
    return found or ir.Function(build.module, ir.FunctionType(kind, [kind] * takes), full)


class Mask:
    """A yes or no for each number, which chooses between two values."""

    def __init__(self, build: ir.IRBuilder, value: Any) -> None:
        self.build, self.value = build, value

    def __and__(self, other: Mask) -> Mask:
        return Mask(self.build, self.build.and_(self.value, other.value))

    def __or__(self, other: Mask) -> Mask:
        return Mask(self.build, self.build.or_(self.value, other.value))

    def choose(self, yes: Any, no: Any) -> Value:
        """`yes` where it holds, `no` elsewhere, each a Value or a number; of single precision if both are numbers."""
        kinds = (given.value.type for given in (yes, no) if isinstance(given, Value))
        kind = next(kinds, _shaped(FLOAT, self.value.type))
        pair = (given.value if isinstance(given, Value) else constant(kind, given) for given in (yes, no))
        return Value(self.build, self.build.select(self.value, *pair))


class Value:
    """A number, or a vector of numbers; `value` is LLVM's."""

    def __init__(self, build: ir.IRBuilder, value: Any) -> None:
        self.build, self.value = build, value

    def like(self, other: Any) -> Value:
        """`other`, a Value or a Python number, as a Value of this one's type."""
        return other if isinstance(other, Value) else Value(self.build, constant(self.value.type, other))

    def _with(self, name: str, other: Any, swapped: bool = False) -> Value:
        pair = (self.value, self.like(other).value)
        return Value(self.build, getattr(self.build, name)(*(pair[::-1] if swapped else pair)))

    def __add__(self, other: Any) -> Value:
        return self._with("fadd", other)

    def __sub__(self, other: Any) -> Value:
        return self._with("fsub", other)

    def __rsub__(self, other: Any) -> Value:
        return self._with("fsub", other, swapped=True)

    def __mul__(self, other: Any) -> Value:
        return self._with("fmul", other)

    def __truediv__(self, other: Any) -> Value:
        return self._with("fdiv", other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._with("fdiv", other, swapped=True)

    def __neg__(self) -> Value:
        return Value(self.build, self.build.fneg(self.value))

    __radd__, __rmul__ = __add__, __mul__

    def fma(self, factor: Any, addend: Any) -> Value:
        """This times `factor` plus `addend`, rounded once."""
        arguments = (self.value, self.like(factor).value, self.like(addend).value)
        return Value(self.build, self.build.call(intrinsic_of(self.build, "fma", self.value.type, 3), arguments))

    def sqrt(self) -> Value:
        """The square root, rounded correctly."""
        return self._call("sqrt")

    def floor(self) -> Value:
        """The next whole number downwards."""
        return self._call("floor")

    def _call(self, name: str) -> Value:
        return Value(self.build, self.build.call(intrinsic_of(self.build, name, self.value.type, 1), [self.value]))

    def _compare(self, sign: str, other: Any) -> Mask:
        return Mask(self.build, self.build.fcmp_ordered(sign, self.value, self.like(other).value))

    def __lt__(self, other: Any) -> Mask:
        return self._compare("<", other)

    def __gt__(self, other: Any) -> Mask:
        return self._compare(">", other)

    def equals(self, other: Any) -> Mask:
        """Where it is `other`; never for a NaN."""
        return self._compare("==", other)

    def differs(self, other: Any) -> Mask:
        """Where it is not `other`, or is NaN."""
        return Mask(self.build, self.build.fcmp_unordered("!=", self.value, self.like(other).value))

    def beats(self, other: Value) -> Mask:
        """Where it is larger than `other` or the first NaN: of equal numbers, and after a NaN, `other` stays."""
        larger = self.build.fcmp_unordered(">", self.value, other.value)
        return Mask(self.build, self.build.and_(larger, self.build.fcmp_ordered("ord", other.value, other.value)))

    def at_most(self, bound: float | Value) -> Value:
        """The smaller of it and `bound`; NaN stays NaN."""
        return (self > bound).choose(bound, self)

    def at_least(self, bound: float | Value) -> Value:
        """The larger of it and `bound`; NaN stays NaN."""
        return (self < bound).choose(bound, self)

    def bits(self) -> Whole:
        """Its bits, seen as a whole number."""
        whole = BITS if _element(self.value.type) == FLOAT else INT
        return Whole(self.build, self.build.bitcast(self.value, _shaped(whole, self.value.type)))

    def sign_bit(self) -> Whole:
        """Its sign alone, as bits."""
        return self.bits() & _sign_of(self.value.type)

    def magnitude(self) -> Value:
        """Its absolute value."""
        return (self.bits() & (_sign_of(self.value.type) - 1)).number()

    def with_sign_of(self, other: Value) -> Value:
        """Its magnitude with the sign of `other`."""
        return (self.magnitude().bits() | other.sign_bit()).number()

    def double(self) -> Value:
        """In double precision, if it is not already."""
        if _element(self.value.type) == DOUBLE:
            return self
        return Value(self.build, self.build.fpext(self.value, _shaped(DOUBLE, self.value.type)))

    def single(self) -> Value:
        """Rounded to single precision."""
        return Value(self.build, self.build.fptrunc(self.value, _shaped(FLOAT, self.value.type)))


def _sign_of(kind: Any) -> int:
    return 1 << (31 if _element(kind) == FLOAT else 63)


class Whole:
    """The bits of a Value as whole numbers with a sign, of the same size."""

    def __init__(self, build: ir.IRBuilder, value: Any) -> None:
        self.build, self.value = build, value

    def _with(self, name: str, other: Any) -> Whole:
        right = other.value if isinstance(other, Whole) else constant(self.value.type, other)
        return Whole(self.build, getattr(self.build, name)(self.value, right))

    def __add__(self, other: Any) -> Whole:
        return self._with("add", other)

    def __sub__(self, other: Any) -> Whole:
        return self._with("sub", other)

    def __rsub__(self, other: Any) -> Whole:
        return Whole(self.build, constant(self.value.type, other)) - self

    def __and__(self, other: Any) -> Whole:
        return self._with("and_", other)

    def __or__(self, other: Any) -> Whole:
        return self._with("or_", other)

    def __lshift__(self, other: Any) -> Whole:
        return self._with("shl", other)

    def __rshift__(self, other: Any) -> Whole:
        return self._with("ashr", other)

    def number(self) -> Value:
        """The floating-point number that has these bits."""
        element = FLOAT if _element(self.value.type) == BITS else DOUBLE
        return Value(self.build, self.build.bitcast(self.value, _shaped(element, self.value.type)))

    def as_number(self) -> Value:
        """The floating-point number that is as large."""
        element = FLOAT if _element(self.value.type) == BITS else DOUBLE
        return Value(self.build, self.build.sitofp(self.value, _shaped(element, self.value.type)))
