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
    resume: PathLike | bool | None
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


# What `help` says of each; those that MXNet has mean what they mean there.
EXPLAINED = {
    "batch_size": "examples per step over the whole job; None: 128, or all if there are fewer",
    "optimizer": "a name or an object of mx.optimizer; all other keywords go to it: learning_rate=0.1, momentum=0.9",
    "initializer": "draws the initial weights; None: mx.init.Xavier, for relu networks in its form for rectifiers",
    "arg_params": "arrays by name to start from, each of its parameter's shape; the initializer fills in the others",
    "aux_params": "the same for auxiliary states, such as BatchNorm's averages",
    "begin_epoch": "how many epochs count as done; training continues from the next one up to num_epoch",
    "array_layout": 'where a matrix has its examples: "rowmajor" on axis 0, "colmajor" on axis 1; "auto" goes by y',
    "slices": "into how many parts each batch is cut, which decides the bits; None: the threads of the job",
    "allow_extra_params": "ignore given parameters that the network does not have, instead of refusing them",
    "fixed_param_names": 'names or patterns, such as "conv*", of parameters that training does not change',
    "compression_params": 'how gradients are compressed, such as {"type": "2bit", "threshold": 0.5}; see KVStore',
    "work_load_list": "the contexts' shares of a batch, as numbers in proportion; None: equal parts",
    "precision": 'of products on GPUs: "float32", "tf32", "float16" or "bfloat16"; weights stay float32',
    "eval_data": "(X, y) or a DataIter to evaluate on after each epoch",
    "eval_metric": "what mx.metric.create takes: a name, a metric, a function, a list; None: the loss decides",
    "epoch_end_callback": "called after each epoch, one or a list: mx.callback; False ends the training",
    "batch_end_callback": "called after each batch, one or a list",
    "kvstore": '"auto": dist_sync in a job, else local; or another name, or a store of mx.kv.create; None: no store',
    "shuffle": "reorder the examples of arrays in each epoch",
    "verbose": 'False: print nothing; "r": only lines, as in R; True: also a bar, and on a terminal four digits',
    "snapshot": 'how often the state is kept: "30s", "10m", "200steps", "auto", "off"; None: PUSHGRAD_SNAPSHOT decides',
    "resume": 'resume from a snapshot: "auto", a path, "off"; True: or a checkpoint; None: PUSHGRAD_RESUME',
    "on_nan": 'if a gradient has NaN or infinity: "error", "skip", "stop", "allow"; None: PUSHGRAD_ON_NAN or "error"',
}


def spelled_out(defaults: Mapping[str, Any], open_ended: bool = True) -> Callable[[Function], Function]:
    """A decorator for functions that take `**options`: `help` and notebooks show each with its default, as if declared,
    and what it is for.

    `open_ended`: the function takes further keywords, shown as `**optimizer_params`.
    """

    def decorate(function: Function) -> Function:
        # Only what inspect.signature tells is changed. The call itself still takes any keyword, and checks it.
        declared = inspect.signature(function)
        *first, rest = declared.parameters.values()
        options = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=value) for n, value in defaults.items()]
        last = [rest.replace(name="optimizer_params", annotation=rest.empty)] if open_ended else []
        function.__signature__ = declared.replace(parameters=[*first, *options, *last])  # type: ignore[attr-defined]
        lines = [f"    {name} ({value!r}): {EXPLAINED[name]}" for name, value in defaults.items()]
        function.__doc__ = "\n".join(
            [inspect.cleandoc(function.__doc__ or ""), "", "Options, and their defaults:", "", *lines]
        ).strip()
        return function

    return decorate
