"""The callback that ends a training which no longer gets better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...common.checks import whole_number
from .fit_events import EpochEnd
from .watched_metric import WatchedMetric

# What of a model changes from epoch to epoch.
_STATE = ("arg_params", "aux_params", "optimizer_states", "num_update", "begin_epoch", "rate_factor")


class EarlyStopping(WatchedMetric):
    """End the training when a metric has not improved by more than `min_delta` for `patience` epochs.

    `metric` is a name; by default the first validation metric, or the first training metric without evaluation data.
    `maximize` None means: more is better if the metric says so (`Metric.maximize`). NaN is never an improvement, and
    any other value improves on NaN. With `restore_best` the model ends as it was after the best epoch: weights, states,
    optimizer states, the numbers of updates and of epochs that are done, and what the learning rate was lowered to.
    Each fit starts afresh. Raises ParameterError if `patience` is not a whole number of 1 or more, or `min_delta` is
    not a number.
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
        super().__init__(metric, maximize, min_delta)
        self.patience, self.restore_best = whole_number("EarlyStopping: patience", patience, 1), restore_best
        self._kept: dict[str, Any] = {}

    def fit_begin(self, model: Any) -> None:
        """Forget what an earlier fit has reached and kept."""
        super().fit_begin(model)
        self._kept = {}

    def epoch_end(self, param: EpochEnd) -> bool:
        """Whether to go on. Raises ParameterError if the training has no such metric."""
        if self.improves(param) and self.restore_best:
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
        return {**super().state(), "kept": self._kept}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with that best value."""
        super().restore(state)
        self._kept = state["kept"]
