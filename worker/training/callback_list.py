"""The callbacks that users pass, checked before the first step: else a training would find out after an epoch."""

from __future__ import annotations

from typing import Any

from ...common.checks import check_call
from ...common.errors import ParameterError

# What the methods that callback.py describes, and callbacks that have none of them, are called with.
_METHODS = {
    "fit_begin": ("model",),
    "batch_end": ("param",),
    "epoch_end": ("param",),
    "checkpoint": ("model", "epoch"),
    "fit_end": ("model",),
}
_FUNCTIONS = {
    "batch_end_callback": ("param",),
    "epoch_end_callback": ("epoch", "symbol", "arg_params", "aux_params"),
}


def callback_list(callbacks: Any, option: str) -> list[Any]:
    """A list of the callbacks that were passed as `option`: none for None, one, or those of a list or tuple.

    Raises ParameterError for what is no callback, or cannot be called with what such a one is given.
    """
    if callbacks is None:
        return []
    found = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    for callback in found:
        _check(callback, option)
    return found


def methods(callback: Any) -> list[str]:
    """Those of the methods that callback.py describes which an object has."""
    return [name for name in _METHODS if hasattr(callback, name)]


def _check(callback: Any, option: str) -> None:
    if isinstance(callback, type):
        raise ParameterError(option, expected=f"an object, {callback.__name__}(...)", got="the class itself")
    if not (callable(callback) or methods(callback)):
        raise ParameterError(option, expected="a function, or an object of mx.callback", got=repr(callback)[:80])
    called = getattr(callback, "__name__", type(callback).__name__)
    for name in methods(callback):
        check_call(f"{option}: {called}.{name}", getattr(callback, name), _METHODS[name])
    if not methods(callback):
        check_call(f"{option}: {called}", callback, _FUNCTIONS[option])
