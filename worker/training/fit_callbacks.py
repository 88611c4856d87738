"""What a fit is told besides data and network: what to evaluate on, what to call, and whether to log.

Callbacks come in the three forms that callback.py describes; here it is decided which of them is called when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..atomic_files import PathLike
from ..data.data_iter import DataIter
from ..files.state_tree import copied
from .callback_list import methods
from .fit_events import BatchEnd, EpochEnd
from .metrics.base import Metric


@dataclass
class FitCallbacks:
    """The callbacks of one fit, as they were passed, and the evaluation data with their metric.

    An object with methods `batch_end`, `epoch_end` or `checkpoint` is used through them, whichever list it is in.
    """

    evaluation: DataIter | None
    evaluation_metric: Metric
    epoch_end: list[Any]
    batch_end: list[Any]
    verbose: bool | str = True

    @property
    def has_epoch_callbacks(self) -> bool:
        """Whether anything is called after an epoch. If not, weights need not be fetched, nor verdicts gathered."""
        return bool(self.epoch_end) or any(_after_epoch(callback) for callback in self.batch_end)

    @property
    def are_there(self) -> bool:
        """Whether there is a callback at all."""
        return bool(self.batch_end or self.epoch_end)

    def before_fit(self, model: Any, is_first_rank: bool) -> None:
        """Run the methods `fit_begin` of the callbacks that have one."""
        self._call("fit_begin", model, is_first_rank)

    def after_fit(self, model: Any, is_first_rank: bool) -> None:
        """Run the methods `fit_end` of the callbacks that have one."""
        self._call("fit_end", model, is_first_rank)

    def _call(self, method: str, model: Any, is_first_rank: bool) -> None:
        for callback in _allowed([*self.epoch_end, *self.batch_end], is_first_rank):
            if hasattr(callback, method):
                getattr(callback, method)(model)

    def after_batch(self, param: BatchEnd, is_first_rank: bool) -> None:
        """Call the methods `batch_end`, and those batch callbacks that have none of the methods."""
        listeners = [callback for callback in self.epoch_end if hasattr(callback, "batch_end")]
        for callback in _allowed([*self.batch_end, *listeners], is_first_rank):
            if hasattr(callback, "batch_end"):
                callback.batch_end(param)
            elif not methods(callback):
                callback(param)

    def after_epoch(self, param: EpochEnd, is_first_rank: bool) -> bool:
        """Call the methods `checkpoint` and `epoch_end`, and those epoch callbacks that have none of the methods.

        False if any of them returned False; all are run all the same. `None`, which most return, means to go on.
        """
        model = param.model
        proceed = True
        for callback in _allowed([*self.epoch_end, *filter(_after_epoch, self.batch_end)], is_first_rank):
            if hasattr(callback, "checkpoint"):  # only saves, and has no say in whether to go on
                callback.checkpoint(model, param.epoch)
            if hasattr(callback, "epoch_end"):
                proceed &= callback.epoch_end(param) is not False
            elif not methods(callback):
                proceed &= callback(param.epoch, model.symbol, model.arg_params, model.aux_params) is not False
        return proceed

    @property
    def checkpoint_prefix(self) -> PathLike | None:
        """That of the first callback which saves checkpoints, as do_checkpoint does; None if none does."""
        saving = (one for one in (*self.epoch_end, *self.batch_end) if hasattr(one, "checkpoint"))
        return next((one.prefix for one in saving if hasattr(one, "prefix")), None)

    def state(self) -> dict[str, Any]:
        """What `state` returns of those callbacks that have it, by class; `EarlyStopping.2` is the second of one class.

        Raises ParameterError, which names the callback, if that is something that a snapshot cannot hold.
        """
        found = {name: callback.state() for name, callback in self._named().items() if _has_state(callback)}
        return {name: copied(state, f"callback {name}: state") for name, state in found.items()}

    def restore(self, states: Mapping[str, Any]) -> None:
        """Give each callback that is still there what its `state` has returned."""
        for name, callback in self._named().items():
            if name in states and _has_state(callback):
                callback.restore(states[name])

    def without_state(self) -> list[str]:
        """The names of the callbacks that have not both `state` and `restore`."""
        return [name for name, callback in self._named().items() if not _has_state(callback)]

    def _named(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        times: Counter[str] = Counter()
        unique = {id(callback): callback for callback in (*self.epoch_end, *self.batch_end)}
        for callback in unique.values():
            # A function has a name of its own, an object its class's.
            name = getattr(callback, "__name__", type(callback).__name__)
            times[name] += 1
            found[name if times[name] == 1 else f"{name}.{times[name]}"] = callback
        return found


def _has_state(callback: Any) -> bool:
    return callable(getattr(callback, "state", None)) and callable(getattr(callback, "restore", None))


def _after_epoch(callback: Any) -> bool:
    return hasattr(callback, "epoch_end") or hasattr(callback, "checkpoint")


def _allowed(callbacks: Iterable[Any], is_first_rank: bool) -> list[Any]:
    """Those that run on this rank: users' callbacks print and write files, which one process should do."""
    return [callback for callback in callbacks if is_first_rank or getattr(callback, "all_ranks", False)]
