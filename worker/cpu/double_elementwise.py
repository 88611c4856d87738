"""exp, log and log1p of flat arrays of float64, such as metrics need."""

from __future__ import annotations

from collections.abc import Callable

from ...common.jit import kernel
from ..array import Array
from . import double_functions
from .values import DOUBLE
from .vector_loops import mapped

_map_exp = mapped(double_functions.exp, DOUBLE)
_map_log = mapped(double_functions.log, DOUBLE)
_map_log1p = mapped(double_functions.log1p, DOUBLE)


@kernel
def _exp(x: Array, out: Array) -> None:
    _map_exp((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _log(x: Array, out: Array) -> None:
    _map_log((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _log1p(x: Array, out: Array) -> None:
    _map_log1p((x.ctypes.data,), (), out.ctypes.data, x.size)


FUNCTIONS: dict[str, Callable[[Array, Array], None]] = {"exp": _exp, "log": _log, "log1p": _log1p}
