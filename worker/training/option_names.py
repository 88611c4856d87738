"""Names of options that do not exist, and which of ours was probably meant."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...common.errors import ParameterError
from ...common.suggestion import closest
from .options import FIT_DEFAULTS, MODEL_DEFAULTS

MADE_WITH = ("symbol", "ctx", "num_epoch", *MODEL_DEFAULTS)  # what the constructor takes

# What other libraries, and MXNet in R, call them.
_ELSEWHERE = {
    "num_epoch": ("epoch", "epochs", "num_epochs", "n_epochs", "nb_epoch", "max_epochs", "num_round", "num_rounds"),
    "learning_rate": ("lr", "eta"),
    "wd": ("weight_decay", "l2"),
    "ctx": ("context", "device", "devices"),
    "batch_size": ("array_batch_size", "numpy_batch_size"),
    "eval_metric": ("metric", "metrics"),
    "eval_data": ("validation_data", "val_data", "eval_set"),
    "epoch_end_callback": ("callback", "callbacks"),
    "arg_params": ("params", "weights"),
}
_MEANT = {other: ours for ours, others in _ELSEWHERE.items() for other in others}


def check_model_options(given: Collection[str], parameters: Sequence[str]) -> None:
    """Raise ParameterError for a name that FeedForward does not have but is likely to mean an option of its own, or of
    fit. All others, `parameters` among them, are the optimizer's to judge.
    """
    for name in given:
        if name in FIT_DEFAULTS:
            raise ParameterError(f"FeedForward: {name} is an option of fit and create")
        if name in MODEL_DEFAULTS or name in parameters:
            continue
        meant = _MEANT.get(name) or closest(name, [*MADE_WITH, *FIT_DEFAULTS, *parameters])
        if meant in MADE_WITH or meant in FIT_DEFAULTS or (name in _MEANT and meant in parameters):
            where = ", an option of fit and create" if meant in FIT_DEFAULTS else ""
            raise ParameterError(f"FeedForward: no option {name}. Did you mean {meant}{where}?")


def check_fit_options(given: Collection[str], parameters: Sequence[str]) -> None:
    """Raise ParameterError, with a suggestion, for an option that fit lacks; `parameters` are the optimizer's."""
    for name in given:
        if name in FIT_DEFAULTS:
            continue
        made_with = (*MADE_WITH, *parameters)
        meant = name if name in made_with else _MEANT.get(name) or closest(name, [*FIT_DEFAULTS, *made_with])
        if meant is None:
            raise ParameterError(f"fit: no option {name}; it has {', '.join(FIT_DEFAULTS)}")
        if meant == name:
            raise ParameterError(f"fit: {name} is an option of FeedForward(...) and create")
        where = ", an option of FeedForward(...) and create" if meant in made_with else ""
        raise ParameterError(f"fit: no option {name}. Did you mean {meant}{where}?")
