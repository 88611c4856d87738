"""The callback that lowers the learning rate when a training no longer gets better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...common.checks import is_number, whole_number
from ...common.errors import ParameterError
from ..log import note
from ..store.joining import current_session
from .fit_events import EpochEnd
from .watched_metric import WatchedMetric


class ReduceLROnPlateau(WatchedMetric):
    """Multiply the learning rate by `factor` when a metric has not improved for more than `patience` epochs.

    `metric`, `maximize` and `min_delta` are those of EarlyStopping. After a reduction `cooldown` epochs pass before
    epochs without improvement count again. The rate does not fall below `min_lr`. With a schedule, its rates are
    multiplied. The model keeps what it was lowered to (`model.rate_factor`) in later fits, snapshots and checkpoints.
    As torch.optim.lr_scheduler.ReduceLROnPlateau with threshold_mode="abs". All workers of a job decide alike, and the
    servers get the rate with the gradients. Raises ParameterError unless factor is between 0 and 1, `patience` and
    `cooldown` are whole numbers of 0 or more, and `min_lr` is a number of 0 or more.
    """

    all_ranks = True  # each worker computes the learning rate; all see the same values, and so agree

    def __init__(
        self,
        metric: str | None = None,
        factor: float = 0.1,
        patience: int = 10,
        maximize: bool | None = None,
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(metric, maximize, min_delta)
        if not (is_number(factor) and 0 < factor < 1):
            raise ParameterError("ReduceLROnPlateau: factor", expected="above 0 and below 1", got=repr(factor))
        if not (is_number(min_lr) and min_lr >= 0):
            raise ParameterError("ReduceLROnPlateau: min_lr", expected="a number of 0 or more", got=repr(min_lr))
        self.factor, self.min_lr = float(factor), float(min_lr)
        self.patience = whole_number("ReduceLROnPlateau: patience", patience, 0)
        self.cooldown = whole_number("ReduceLROnPlateau: cooldown", cooldown, 0)
        self._bad_epochs = self._cooling = 0

    def fit_begin(self, model: Any) -> None:
        """Start counting."""
        super().fit_begin(model)
        self._bad_epochs = self._cooling = 0

    def epoch_end(self, param: EpochEnd) -> None:
        """Lower the rate of the steps to come if it is time. ParameterError if the training has no such metric."""
        self._bad_epochs = 0 if self.improves(param) else self._bad_epochs + 1
        if self._cooling:
            self._cooling -= 1
            self._bad_epochs = 0
        if self._bad_epochs <= self.patience:
            return
        self._bad_epochs, self._cooling = 0, self.cooldown
        old, new = param.learning_rate, max(param.learning_rate * self.factor, self.min_lr)
        if new < old:
            param.model.rate_factor *= new / old
            if current_session().rank == 0:
                note(f"epoch {param.epoch}: the learning rate goes from {old:g} to {new:g}")

    def state(self) -> dict[str, Any]:
        """The best value, its epoch, and the epochs that count."""
        return {**super().state(), "bad_epochs": self._bad_epochs, "cooling": self._cooling}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on counting."""
        super().restore(state)
        self._bad_epochs, self._cooling = state["bad_epochs"], state["cooling"]
