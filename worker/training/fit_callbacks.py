"""What a fit is told beside data and network: what to evaluate on, what to call, what to print."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..data.iterators import DataIter
from .callback import BatchEnd, EpochEnd
from .metrics.base import Metric


@dataclass
class FitCallbacks:
    """Callbacks are kept as one list: an object with the methods of `mx.callback`'s classes is used by those."""

    evaluation: DataIter | None
    evaluation_metric: Metric
    epoch_end: list[Any]
    batch_end: list[Any]
    verbose: bool = True

    @property
    def has_epoch_callbacks(self) -> bool:
        """Whether anything is to be done after an epoch beside logging."""
        return bool(self.epoch_end) or any(_after_epoch(callback) for callback in self.batch_end)

    def after_batch(self, param: BatchEnd, is_first_rank: bool) -> None:
        """Run the batch callbacks, and epoch callbacks that also listen to batches."""
        listeners = [callback for callback in self.epoch_end if hasattr(callback, "batch_end")]
        for callback in _allowed([*self.batch_end, *listeners], is_first_rank):
            getattr(callback, "batch_end", callback)(param)

    def after_epoch(self, param: EpochEnd, is_first_rank: bool) -> bool:
        """Run the epoch callbacks; False if any of them says so."""
        model = param.model
        proceed = True
        for callback in _allowed(self.epoch_end, is_first_rank):
            if hasattr(callback, "checkpoint"):
                callback.checkpoint(model, param.epoch)
            elif hasattr(callback, "epoch_end"):
                proceed &= callback.epoch_end(param) is not False
            elif not hasattr(callback, "batch_end"):
                proceed &= callback(param.epoch, model.symbol, model.arg_params, model.aux_params) is not False
        for callback in _allowed(filter(_after_epoch, self.batch_end), is_first_rank):
            proceed &= callback.epoch_end(param) is not False
        return proceed


def callback_list(callbacks: Any) -> list[Callable[..., Any]]:
    """None, one callback or several, as a list."""
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]


def _after_epoch(callback: Any) -> bool:
    return hasattr(callback, "epoch_end")


def _allowed(callbacks: Iterable[Any], is_first_rank: bool) -> list[Any]:
    return [callback for callback in callbacks if is_first_rank or getattr(callback, "all_ranks", False)]
