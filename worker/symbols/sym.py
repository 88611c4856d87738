"""The public `mx.symbol` (`mx.sym`): variables, groups, files, and every operator by MXNet's name.

net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=10, name="fc1")
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ..graphs.naming import AttrScope
from ..ops.operator import REGISTRY
from .functions import arange, full, hypot, maximum, minimum, ones, pow, power, zeros
from .operators import function as _function
from .symbol import Symbol, load, loads
from .variables import group as Group
from .variables import variable as Variable

var = Variable
load_json = loads

__all__ = [
    "AttrScope",
    "Group",
    "Symbol",
    "Variable",
    "arange",
    "full",
    "hypot",
    "load",
    "load_json",
    "maximum",
    "minimum",
    "ones",
    "pow",
    "power",
    "var",
    "zeros",
]


# What other libraries have as layers of their own.
_MODES = {mode: f". It is RNN(..., mode={mode!r})" for mode in ("lstm", "gru")}


# Cached, so that `mx.sym.relu is mx.sym.relu`, and a loop that builds a network does not write docstrings again.
@cache
def _operator(name: str) -> Callable[..., Symbol]:
    return _function(name)


def __getattr__(name: str) -> Callable[..., Symbol]:
    if name not in REGISTRY:
        from ...common.suggestion import suggestion

        # Not a GraphError as elsewhere: hasattr() and others expect AttributeError for names that do not exist.
        hint = _MODES.get(name.lower()) or suggestion(name, sorted(REGISTRY)) or "; dir(mx.sym) lists them"
        # With a name and no object Python adds no suggestion of its own.
        raise AttributeError(f"mx.sym has no operator {name}{hint}", name=name, obj=None)
    return _operator(name)


def __dir__() -> list[str]:
    return sorted({*__all__, *REGISTRY})
