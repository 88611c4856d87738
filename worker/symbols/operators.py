"""Operators by name, applied to symbols: what `compose` does for graphs of any class, for Symbol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import compose
from .symbol import Symbol


def apply(
    called: str, /, *args: Any, name: str | None = None, attr: Mapping[str, str] | None = None, **keywords: Any
) -> Symbol:
    """The outputs of the operator of the name or alias `called`, applied to symbols: see `compose.entries`, also for
    the errors.
    """
    return Symbol(compose.entries(called, *args, name=name, attr=attr, **keywords))


def function(called: str) -> Callable[..., Symbol]:
    """The function `mx.sym.<called>`. Raises GraphError if there is no such operator."""
    return compose.function(called, Symbol)
