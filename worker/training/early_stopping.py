"""The callback that ends a training which no longer gets better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...common.checks import is_number, whole_number
from ...common.errors import ParameterError
from .fit_events import EpochEnd
from .metrics.metric import is_maximized

# What of a model changes from epoch to epoch.
_STATE = ("arg_params", "aux_params", "optimizer_states", "num_update", "begin_epoch")


class EarlyStopping:
    """End the training when a metric has not improved by more than `min_delta` for `patience` epochs.

    `metric` is a name; by default the first validation metric, or the first training metric without evaluation data.
    `maximize` None means: more is better if the metric says so (`Metric.maximize`). A value that is NaN is no
    improvement, and any other is one on NaN. With `restore_best` the model ends as it was after the best epoch:
    weights, states, optimizer states, and the numbers of updates and of epochs that are done. Each fit begins anew.
    Raises ParameterError if `patience` is not a whole number of 1 or more, or `min_delta` no number.
    """

    all_ranks = True  # all ranks see the same values, so they agree, and each knows its `best` and `best_epoch`

    def __init__(
        self,
        metric: str | None = None,
        patience: int = 3,
        maximize: bool | None = None,
        min_delta: float = 0.0,
        restore_best: bool = False,
    ) -> None:
        self.metric, self.maximize, self.min_delta, self.restore_best = metric, maximize, min_delta, restore_best
        self.patience = whole_number("EarlyStopping: patience", patience, 1)
        if not is_number(min_delta):
            raise ParameterError("EarlyStopping: min_delta", expected="a number", got=repr(min_delta))
        self.best: float | None = None
        self.best_epoch = 0
        self._kept: dict[str, Any] = {}

    def fit_begin(self, model: Any) -> None:
        """Forget what an earlier fit has reached: its data or its loss may have been others."""
        self.best, self.best_epoch, self._kept = None, model.begin_epoch, {}

    def epoch_end(self, param: EpochEnd) -> bool:
        """Whether to go on. Raises ParameterError if the training has no such metric."""
        name, value = self._pick(param)
        maximize = param.maximize.get(name, is_maximized(name)) if self.maximize is None else self.maximize
        # The first number counts as a gain. NaN never does, so a training that diverges ends.
        gain = math.inf if self.best is None else (value - self.best if maximize else self.best - value)
        if gain > self.min_delta and not math.isnan(value):
            self.best, self.best_epoch = value, param.epoch
            if self.restore_best:
                # The model gets new arrays at the end of every epoch, so that these stay as they are.
                self._kept = {name: getattr(param.model, name) for name in _STATE}
        return param.epoch - self.best_epoch < self.patience

    def fit_end(self, model: Any) -> None:
        """Give the model back what it was after the best epoch."""
        for name, value in self._kept.items():
            setattr(model, name, value)
        self._kept = {}

    def state(self) -> dict[str, Any]:
        """The best value, its epoch, and the model's parts that are kept for `restore_best`."""
        return {"best": self.best, "best_epoch": self.best_epoch, "kept": self._kept}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with that best value."""
        self.best, self.best_epoch, self._kept = state["best"], state["best_epoch"], state["kept"]

    def _pick(self, param: EpochEnd) -> tuple[str, float]:
        values = param.validation or param.train
        name = next(iter(values), None) if self.metric is None else self.metric
        if name is not None and name in values:
            return name, values[name]
        known = ", ".join(values) or "no metric at all"
        raise ParameterError("EarlyStopping: metric", expected=f"one of this training: {known}", got=repr(self.metric))
