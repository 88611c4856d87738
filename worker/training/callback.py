"""mx.callback: what runs between batches and between epochs.

`batch_end_callback(param)` gets a BatchEnd after each global batch. `epoch_end_callback(epoch, symbol, arg_params,
aux_params)` runs after each epoch; False ends the training. Callbacks run on rank 0, or on all ranks if they have an
attribute `all_ranks = True`: metrics are the job's, so all ranks see the same values. If an object has any of the
following methods, they are used instead of calling it, as either kind of callback:

    fit_begin(model)                    before the first epoch of a fit
    batch_end(param: BatchEnd)          after each batch
    epoch_end(param: EpochEnd)          after each epoch, with the epoch's metrics; False ends the training
    checkpoint(model, epoch)            after each epoch; may call model.save(prefix, epoch), which writes on rank 0
    fit_end(model)                      at the end of a fit that no error has ended; the model has all that was learned
    state()                             for a snapshot: what it has kept since fit_begin, as dicts by names, lists,
                                        texts, numbers, None and numpy arrays
    restore(state)                      go on from that; called after fit_begin, or instead of a fit that had ended
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Mapping
from typing import Any

from ...common.checks import whole_number
from ...common.shown import ShowsOptions
from ..array import Array
from ..log import log_line, r_number
from .early_stopping import EarlyStopping
from .fit_events import BatchEnd, EpochEnd
from .history import CSVLogger, History
from .metrics.base import Metric, current_values
from .reduce_on_plateau import ReduceLROnPlateau
from .save_best import SaveBest
from .trackers import MLflow, TensorBoard, WandB

__all__ = [
    "BatchEnd", "CSVLogger", "EarlyStopping", "EpochEnd", "History", "Logger", "MLflow", "ProgressBar",
    "ReduceLROnPlateau", "SaveBest", "Speedometer", "TensorBoard", "WandB", "do_checkpoint", "log_train_metric",
]  # fmt: skip


class Logger:
    """Collects what log_train_metric reports: (name, value) pairs of `train` and `eval`, one list entry each time."""

    def __init__(self) -> None:
        self.train: list[tuple[str, float]] = []
        self.eval: list[tuple[str, float]] = []


class log_train_metric(ShowsOptions):  # public name as in MXNet
    """Print the training metric every `period` batches: `Batch [100] Train-accuracy=0.1066`.

    It may be passed as batch_end_callback or, as R's users do, as epoch_end_callback. A `logger` also collects the
    values at the end of each epoch. Raises ParameterError if `period` is not a whole number of 1 or more.
    """

    def __init__(self, period: int, logger: Logger | None = None) -> None:
        self.period, self.logger = whole_number("log_train_metric: period", period, 1), logger

    def __call__(self, param: BatchEnd) -> None:
        """The same as `batch_end`."""
        self.batch_end(param)

    def batch_end(self, param: BatchEnd) -> None:
        """Print if this batch is a multiple of the period."""
        if param.eval_metric is None or param.nbatch % self.period:
            return
        for name, value in _values(param.eval_metric):
            log_line(f"Batch [{param.nbatch}] Train-{name}={r_number(value)}")

    def epoch_end(self, param: EpochEnd) -> None:
        """Hand the epoch's values to the logger."""
        if self.logger is not None:
            self.logger.train.extend(param.train.items())
            self.logger.eval.extend(param.validation.items())

    def state(self) -> dict[str, Any]:
        """What the logger has collected."""
        return {} if self.logger is None else {"train": self.logger.train, "eval": self.logger.eval}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Let the logger have what it had."""
        if self.logger is not None and state:
            for kind in ("train", "eval"):
                getattr(self.logger, kind)[:] = [(name, value) for name, value in state[kind]]


class Speedometer(ShowsOptions):
    """Print examples per second and the training metric every `frequent` batches; `batch_size` is the global one.

    Raises ParameterError if either is not a whole number of 1 or more.
    """

    def __init__(self, batch_size: int, frequent: int = 50) -> None:
        self.batch_size = whole_number("Speedometer: batch_size", batch_size, 1)
        self.frequent = whole_number("Speedometer: frequent", frequent, 1)
        self._last: tuple[int, float] | None = None  # batch and time of the last report

    def __call__(self, param: BatchEnd) -> None:
        """The same as `batch_end`."""
        self.batch_end(param)

    def batch_end(self, param: BatchEnd) -> None:
        """Print if this batch is a multiple of `frequent`: the mean speed since the last report of the epoch."""
        now = time.perf_counter()
        if self._last is None or param.nbatch <= self._last[0]:
            # A new epoch. The clock starts anew at its first batch, so that the evaluation before it does not count.
            self._last = (param.nbatch, now)
        elif param.nbatch % self.frequent == 0:
            speed = (param.nbatch - self._last[0]) * self.batch_size / max(now - self._last[1], 1e-9)
            metrics = "".join(f" Train-{name}={r_number(value)}" for name, value in _values(param.eval_metric))
            log_line(f"Batch [{param.nbatch}] Speed: {speed:.2f} samples/sec{metrics}")
            self._last = (param.nbatch, now)

    def state(self) -> dict[str, Any]:
        """The batch of the last report."""
        return {"batch": None if self._last is None else self._last[0]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from that batch, as if the report had just been made."""
        self._last = None if state["batch"] is None else (state["batch"], time.perf_counter())


class do_checkpoint(ShowsOptions):  # public name as in MXNet
    """Save the model every `period` epochs: prefix-symbol.json, prefix-0001.params and prefix-0001.states.

    Raises ParameterError if `period` is not a whole number of 1 or more.
    """

    def __init__(self, prefix: str, period: int = 1) -> None:
        self.prefix, self.period = prefix, whole_number("do_checkpoint: period", period, 1)

    def __call__(
        self, epoch: int, symbol: Any, arg_params: Mapping[str, Array], aux_params: Mapping[str, Array]
    ) -> None:
        """Save without optimizer states, for callers that have no model object."""
        if epoch % self.period == 0:
            from ..files import checkpoint

            path = checkpoint.save(self.prefix, epoch, symbol, arg_params, aux_params)
            log_line(f"Model checkpoint saved to {path}")

    def checkpoint(self, model: Any, epoch: int) -> None:
        """Let the model save itself, with its optimizer states."""
        if epoch % self.period == 0:
            model.save(self.prefix, epoch)
            log_line(f"Model checkpoint saved to {self.prefix}-{epoch:04d}.params")

    def state(self) -> dict[str, Any]:
        """Nothing: it keeps nothing from one call to the next."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing to do."""


class ProgressBar(ShowsOptions):
    """A progress bar of each epoch's batches; `total` is their number. Without a terminal, one line at the epoch's end.

    Raises ParameterError if `total` is not a whole number of 1 or more.
    """

    def __init__(self, total: int) -> None:
        self.total = whole_number("ProgressBar: total", total, 1)
        self._bar: Any = None

    def __call__(self, param: BatchEnd) -> None:
        """The same as `batch_end`."""
        self.batch_end(param)

    def batch_end(self, param: BatchEnd) -> None:
        """Move the bar to this batch."""
        if self._bar is None:
            self._bar = _start_bar(f"epoch {param.epoch}", self.total)
        metrics = " ".join(f"{name}={value:.4g}" for name, value in _values(param.eval_metric))
        self._bar.update(self._bar.task_ids[0], completed=param.nbatch, metrics=metrics, refresh=True)
        if param.nbatch >= self.total:
            self._close()

    def epoch_end(self, param: EpochEnd) -> None:
        """Close the bar even if the epoch had fewer batches than `total`."""
        self._close()

    def state(self) -> dict[str, Any]:
        """Nothing: a bar is drawn anew from the next batch on."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing to do."""

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            atexit.unregister(self._bar.stop)
            self._bar = None


def _start_bar(title: str, total: int) -> Any:
    # Imported here: a training without a bar does not need rich.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}"),
    )
    bar = Progress(*columns, auto_refresh=False)  # a refreshing thread would compete with those that compute
    bar.add_task(title, total=total, metrics="")
    bar.start()
    atexit.register(bar.stop)  # shows the cursor again if the training ends by an error
    return bar


def _values(metric: Metric | None) -> list[tuple[str, float]]:
    return list(current_values(metric).items()) if metric is not None else []
