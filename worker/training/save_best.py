"""The callback that keeps the best epoch's model on disk."""

from __future__ import annotations

from ..atomic_files import PathLike
from ..files.latest_checkpoint import remove
from .fit_events import EpochEnd
from .watched_metric import WatchedMetric


class SaveBest(WatchedMetric):
    """Save the model after each epoch in which a metric is the best so far: only the best checkpoint is kept.

    Its files are those of `model.save(prefix)`, so that `FeedForward.load(prefix)` is the best model, if no other
    checkpoints have that prefix: those of earlier trainings are left alone. `metric`, `maximize` and `min_delta` are
    those of EarlyStopping. Raises ParameterError if `min_delta` is not a number.
    """

    def __init__(
        self, prefix: PathLike, metric: str | None = None, maximize: bool | None = None, min_delta: float = 0.0
    ) -> None:
        super().__init__(metric, maximize, min_delta)
        self.prefix = prefix

    def epoch_end(self, param: EpochEnd) -> None:
        """Save if this is the best epoch, then remove the one before it. Raises what `model.save` does."""
        before = self.best_epoch if self.best is not None else None
        if self.improves(param):
            param.model.save(self.prefix, param.epoch)
            if before is not None and before != param.epoch:
                remove(self.prefix, before)
