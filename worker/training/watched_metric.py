"""The metric that a callback goes by: which one, whether more of it is better, and what it has reached."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...common.checks import is_number
from ...common.errors import ParameterError
from ...common.shown import ShowsOptions
from .fit_events import EpochEnd
from .metrics.metric import is_maximized


class WatchedMetric(ShowsOptions):
    """Base of callbacks that look for a metric's best value; `best` is that value and `best_epoch` its epoch.

    `metric` is a name; by default the first validation metric, or the first training metric without evaluation data.
    `maximize` None means: more is better if the metric says so (`Metric.maximize`). A gain of `min_delta` or less is
    none. A value that is NaN is no improvement, and any other is one on NaN. Each fit begins anew. Raises
    ParameterError if `min_delta` is no number.
    """

    def __init__(self, metric: str | None, maximize: bool | None, min_delta: float) -> None:
        self.metric, self.maximize, self.min_delta = metric, maximize, min_delta
        if not is_number(min_delta):
            raise ParameterError(f"{type(self).__name__}: min_delta", expected="a number", got=repr(min_delta))
        self.best: float | None = None
        self.best_epoch = 0

    def fit_begin(self, model: Any) -> None:
        """Forget what an earlier fit has reached: its data or its loss may have been others."""
        self.best, self.best_epoch = None, model.begin_epoch

    def improves(self, param: EpochEnd) -> bool:
        """Whether this epoch is the best so far, which is then kept. ParameterError if there is no such metric."""
        name, value = self._pick(param)
        maximize = param.maximize.get(name, is_maximized(name)) if self.maximize is None else self.maximize
        # The first number counts as a gain. NaN never does, so a training that diverges gets no better.
        gain = math.inf if self.best is None else (value - self.best if maximize else self.best - value)
        if math.isnan(value) or not gain > self.min_delta:
            return False
        self.best, self.best_epoch = value, param.epoch
        return True

    def state(self) -> dict[str, Any]:
        """The best value and its epoch."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with that best value."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]

    def _pick(self, param: EpochEnd) -> tuple[str, float]:
        values = param.validation or param.train
        name = next(iter(values), None) if self.metric is None else self.metric
        if name is not None and name in values:
            return name, values[name]
        known = ", ".join(values) or "no metric at all"
        raise ParameterError(
            f"{type(self).__name__}: metric", expected=f"one of this training: {known}", got=repr(self.metric)
        )
