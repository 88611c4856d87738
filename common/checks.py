"""Checks of single values that users pass, or that stand in the environment."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from numbers import Real
from typing import Any

from .errors import ParameterError


def is_whole_number(value: object, least: int) -> bool:
    """Whether it is an int, and no bool, of `least` or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value: object) -> bool:
    """Whether it is a real number, numpy's included, and no bool."""
    return isinstance(value, Real) and not isinstance(value, bool)


def whole_number(name: str, value: int, least: int) -> int:
    """`value`; ParameterError about `name` unless it is a whole number of `least` or more."""
    if not is_whole_number(value, least):
        raise ParameterError(name, expected=f"a whole number of {least} or more", got=repr(value))
    return value


def whole_number_in(text: str, least: int) -> int | None:
    """The whole number that `text` writes in decimal digits; None if it is none of `least` or more."""
    return int(text) if text.isdecimal() and int(text) >= least else None


def check_call(where: str, function: Any, arguments: Sequence[str]) -> None:
    """ParameterError unless `function` can be called with that many arguments by position; they are named in it."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # what is written in C may have none that Python can tell
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise ParameterError(where, expected=f"arguments ({', '.join(arguments)})", got=str(signature)) from None
