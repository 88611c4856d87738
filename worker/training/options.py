"""The options of FeedForward: each has its name, type and default here, once, wherever it is passed.

Type checkers see the TypedDicts; what runs are the dicts of defaults, which `spelled_out` also puts into signatures.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar

from ..array import Array
from ..atomic_files import PathLike
from ..store.kvstore import KVStore

Function = TypeVar("Function", bound=Callable[..., Any])


class OptimizerOptions(TypedDict, total=False):
    """Parameters of the built-in optimizers. Keywords that are not listed here go to the optimizer as well."""

    learning_rate: float
    momentum: float
    wd: float
    rescale_grad: float
    clip_gradient: float
    lr_scheduler: Callable[[int], float]


class ModelOptions(OptimizerOptions, total=False):
    """What a model is made with, besides its symbol, its context and the number of epochs."""

    batch_size: int | None
    optimizer: Any
    initializer: Any
    arg_params: Mapping[str, Array] | None
    aux_params: Mapping[str, Array] | None
    begin_epoch: int
    array_layout: str
    slices: int | None
    allow_extra_params: bool
    fixed_param_names: Sequence[str] | None
    compression_params: Mapping[str, Any] | None
    work_load_list: Sequence[float] | None
    precision: str


class CallOptions(TypedDict, total=False):
    """What one call of fit is told, besides its data."""

    epoch_end_callback: Any
    batch_end_callback: Any
    kvstore: str | KVStore | None
    shuffle: bool
    verbose: bool | str
    snapshot: str | None
    resume: PathLike | None
    on_nan: str | None


class FitOptions(CallOptions, total=False):
    """The options of CallOptions, and those that `fit` also takes by position."""

    eval_data: Any
    eval_metric: Any


class CreateOptions(ModelOptions, FitOptions, total=False):
    """What `FeedForward.create` takes: the options of the constructor and those of fit."""


MODEL_DEFAULTS: ModelOptions = {
    "batch_size": None,
    "optimizer": "sgd",
    "initializer": None,
    "arg_params": None,
    "aux_params": None,
    "begin_epoch": 0,
    "array_layout": "auto",
    "slices": None,
    "allow_extra_params": False,
    "fixed_param_names": None,
    "compression_params": None,
    "work_load_list": None,
    "precision": "float32",
}
CALL_DEFAULTS: CallOptions = {
    "epoch_end_callback": None,
    "batch_end_callback": None,
    "kvstore": "auto",
    "shuffle": True,
    "verbose": True,
    "snapshot": None,
    "resume": None,
    "on_nan": None,
}
FIT_DEFAULTS: FitOptions = {"eval_data": None, "eval_metric": None, **CALL_DEFAULTS}
CREATE_DEFAULTS: CreateOptions = {**MODEL_DEFAULTS, **FIT_DEFAULTS}


def spelled_out(defaults: Mapping[str, Any], open_ended: bool = True) -> Callable[[Function], Function]:
    """A decorator for functions that take `**options`: `help` and notebooks show each with its default, as if declared.

    `open_ended`: the function takes further keywords, shown as `**optimizer_params`.
    """

    def decorate(function: Function) -> Function:
        # Only what inspect.signature tells is changed. The call itself still takes any keyword, and checks it.
        declared = inspect.signature(function)
        *first, rest = declared.parameters.values()
        options = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=value) for n, value in defaults.items()]
        last = [rest.replace(name="optimizer_params", annotation=rest.empty)] if open_ended else []
        function.__signature__ = declared.replace(parameters=[*first, *options, *last])  # type: ignore[attr-defined]
        return function

    return decorate
