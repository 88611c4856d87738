"""Typed operator parameters: MXNet's names and defaults, read from Python values and from the strings of its JSON.

A parameter's `parse` raises whatever error comes naturally (ValueError, TypeError, SyntaxError); `parse_parameters`
turns it into a ParameterError that names operator, parameter, what was expected and what was given.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from typing import Any, Generic, TypeVar, overload

import numpy as np

from ...common.errors import ParameterError
from ...common.suggestion import suggestion

T = TypeVar("T")
_REQUIRED: Any = object()


class Parameter(Generic[T]):
    """One declared parameter of an operator class; reading it from an instance gives the parsed value."""

    kind = "value"  # completes "expected ..." in errors, and describes the parameter in help() and docs/operators.md

    def __init__(self, default: T = _REQUIRED) -> None:
        self.default = default
        self.name = ""

    @property
    def required(self) -> bool:
        """Whether the operator cannot be made without this parameter."""
        return self.default is _REQUIRED

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Parameter[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T | Parameter[T]:
        if instance is None:
            return self
        value: T = instance.__dict__.get(self.name, self.default)
        return value

    def parse(self, value: object) -> T:
        """`value`, or the string that JSON has for it, as the parameter's type. Raises ValueError if it is not one."""
        raise NotImplementedError

    def text(self, value: T) -> str:
        """`value` as MXNet's JSON spells it."""
        return str(value)


class Int(Parameter[int]):
    """A whole number, from `minimum` to `maximum` (both included) if these are given."""

    kind = "a whole number"

    def __init__(self, default: int = _REQUIRED, minimum: int | None = None, maximum: int | None = None) -> None:
        super().__init__(default)
        if minimum is not None:
            self.kind = f"a whole number of at least {minimum}"
        if maximum is not None:
            self.kind += f" and at most {maximum}"
        self.minimum, self.maximum = minimum, maximum

    def parse(self, value: object) -> int:
        """Accept 4, "4" and numpy's integers. Raises ValueError for True, 4.5 and numbers outside the range."""
        if isinstance(value, bool):  # an int to Python, but here most likely an argument in the wrong place
            raise ValueError(value)
        number = int(value) if isinstance(value, str) else value
        if not hasattr(number, "__index__"):  # __index__ is for whole numbers only; int() would cut 4.5 to 4
            raise ValueError(value)
        number = number.__index__()
        if self.minimum is not None and number < self.minimum:
            raise ValueError(value)
        if self.maximum is not None and number > self.maximum:
            raise ValueError(value)
        return int(number)


class Float(Parameter[float]):
    """A number, in [low, high] if these are given."""

    kind = "a number"

    def __init__(self, default: float = _REQUIRED, low: float | None = None, high: float | None = None) -> None:
        super().__init__(default)
        self.low, self.high = low, high
        if low is not None or high is not None:
            self.kind = f"a number in [{'-inf' if low is None else low}, {'inf' if high is None else high}]"

    def parse(self, value: object) -> float:
        """Accept 0.5, 1, "1e-3" and numpy's scalars. Raises ValueError for True and for numbers outside the range."""
        if isinstance(value, bool):
            raise ValueError(value)
        number = float(value)  # type: ignore[arg-type]
        # "not >=" rather than "<", so that NaN is refused where there is a bound.
        if (self.low is not None and not number >= self.low) or (self.high is not None and not number <= self.high):
            raise ValueError(value)
        return number


class Bool(Parameter[bool]):
    """True or False; in JSON "True", "False", "1" or "0"."""

    kind = "True or False"

    def parse(self, value: object) -> bool:
        """Accept booleans, 0 and 1, and their spellings in old and new files. Raises ValueError for anything else."""
        spellings = {"true": True, "1": True, "false": False, "0": False}
        text = str(value).lower()
        if text not in spellings:
            raise ValueError(value)
        return spellings[text]


class Choice(Parameter[str]):
    """One of a few words."""

    def __init__(self, *choices: str, default: str = _REQUIRED) -> None:
        super().__init__(default)
        self.choices = choices
        self.kind = "one of " + ", ".join(choices)

    def parse(self, value: object) -> str:
        """The word itself. Raises ValueError unless it is spelled exactly like one of the choices."""
        if value not in self.choices:
            raise ValueError(value)
        return str(value)


class Text(Parameter[str]):
    """Any string that is not empty."""

    kind = "a string that is not empty"

    def parse(self, value: object) -> str:
        """The string itself. Raises ValueError if it is empty or not a string."""
        if not isinstance(value, str) or not value:
            raise ValueError(value)
        return value


class Ints(Parameter[tuple[int, ...]]):
    """A tuple of whole numbers such as a kernel or a shape; in JSON "(3, 3)", "(3,3)" or "[3,3]". A lone 3 is (3,)."""

    kind = "a tuple of whole numbers"

    def __init__(self, default: tuple[int, ...] = _REQUIRED, minimum: int | None = None) -> None:
        super().__init__(default)
        self.minimum = minimum
        if minimum is not None:
            self.kind = f"a tuple of whole numbers of at least {minimum}"

    def parse(self, value: object) -> tuple[int, ...]:
        """Accept tuples, lists, arrays and their text. Raises ValueError, TypeError or SyntaxError for all else."""
        if isinstance(value, str):
            value = read_literal(value)
        items = (value,) if hasattr(value, "__index__") else tuple(value)  # type: ignore[arg-type]
        extent = Int(minimum=self.minimum)
        return tuple(extent.parse(item) for item in items)


def read_literal(text: str) -> object:
    """The Python literal that `text` spells, such as a tuple. Raises ValueError if it is 1000 characters or longer.

    Also raises what ast.literal_eval raises.
    """
    # Long texts are refused unread, because literal_eval can exhaust memory or the stack on what a foreign file may
    # contain.
    if len(text) >= 1000:
        raise ValueError(text)
    # "L": files written by Python 2 hold longs, "(3L, 3L)".
    return ast.literal_eval(text.strip().replace("L", ""))


class DType(Parameter[str]):
    """The name of an element type: "float32", or anything that np.dtype accepts, such as np.float32."""

    names = ("float16", "bfloat16", "float32", "float64", "uint8", "int8", "int32", "int64", "bool")
    kind = "one of " + ", ".join(names)

    def __init__(self, default: str = _REQUIRED) -> None:
        super().__init__(default)

    def parse(self, value: object) -> str:
        """The name as MXNet spells it. Raises ValueError or TypeError if there is no such type."""
        # Strings are compared as they are: np.dtype does not know "bfloat16", but knows many names that MXNet does not.
        name = value if isinstance(value, str) else np.dtype(value).name  # type: ignore[call-overload]
        if name not in self.names:
            raise ValueError(value)
        return str(name)


def element_type(where: str, value: object) -> str:
    """The name of the element type that `value` is: a name, np.float32, np.dtype(...). ParameterError, with `where`,
    for anything else.
    """
    try:
        return DType().parse(value)
    except (ValueError, TypeError):
        raise ParameterError(where, expected=DType.kind, got=repr(value)[:200]) from None


class Optional(Parameter[Any]):
    """Another parameter type or None."""

    def __init__(self, inner: Parameter[Any]) -> None:
        super().__init__(None)
        self.inner = inner
        self.kind = f"{inner.kind} or None"

    def parse(self, value: object) -> Any:
        """Accept None, "None", or what the inner type accepts. Raises what the inner type raises."""
        return None if value is None or value == "None" else self.inner.parse(value)


def declared(owner: type) -> Mapping[str, Parameter[Any]]:
    """The parameters that a class and its bases declare, by name, in order of their last declaration.

    A subclass that declares a parameter again also moves it to its own place, so that lists read as in MXNet.
    """
    return _declared(owner)


@cache  # each node of a network asks for those of its class several times
def _declared(owner: type) -> Mapping[str, Parameter[Any]]:
    found: dict[str, Parameter[Any]] = {}
    for base in reversed(owner.__mro__):
        for name, item in vars(base).items():
            if isinstance(item, Parameter):
                found.pop(name, None)
                found[name] = item
    return found


def parse_parameters(owner: type, operator: str, values: dict[str, Any]) -> dict[str, Any]:
    """Parse `values` by name. Raises ParameterError, naming `operator`, if one is unknown, missing or ill-typed."""
    known = declared(owner)
    for name in values:
        if name not in known:
            raise ParameterError(f"{operator}: no parameter {name}{suggestion(name, known)}")
    missing = [name for name, item in known.items() if item.required and name not in values]
    if missing:
        raise ParameterError(f"{operator}: missing parameter {', '.join(missing)}")
    return {name: _parse(operator, known[name], value) for name, value in values.items()}


def _parse(operator: str, item: Parameter[Any], value: object) -> Any:
    try:
        return item.parse(value)
    # Every error that int(), float(), tuple(), np.dtype() and ast.literal_eval() can raise for a foreign string.
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, OverflowError):
        raise ParameterError(f"{operator}: parameter {item.name}", expected=item.kind, got=repr(value)[:200]) from None
