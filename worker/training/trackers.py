"""Callbacks that hand each epoch's values to programs that draw them: TensorBoard, Weights & Biases, MLflow.

Rank 0 alone calls them. Their packages are optional, and the constructors say which one is missing.
"""

from __future__ import annotations

import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ...common.errors import ParameterError
from ...common.extras import install
from ...common.shown import ShowsOptions
from ..atomic_files import PathLike
from .fit_events import EpochEnd


class _Tracker(ShowsOptions, ABC):
    """Opens its record at the first epoch's end, so that a training which goes on from a snapshot opens the same."""

    def __init__(self) -> None:
        self._opened = False
        self._id: str | None = None  # of the record, as its program knows it

    def epoch_end(self, param: EpochEnd) -> None:
        """Hand over the epoch's values: train/loss, train/accuracy, validation/accuracy, learning_rate, seconds."""
        if not self._opened:
            self._id, self._opened = self._open(self._id, param.epoch), True
        values: dict[str, float] = {"train/loss": param.loss} | {
            f"train/{name}": value for name, value in param.train.items()
        }
        if param.validation:
            values["validation/loss"] = param.validation_loss
        values |= {f"validation/{name}": value for name, value in param.validation.items()}
        self._log(values | {"learning_rate": param.learning_rate, "seconds": param.seconds}, param.epoch)

    def fit_begin(self, model: Any) -> None:
        """A fit has a record of its own."""
        self._id = None

    def fit_end(self, model: Any) -> None:
        """Close the record."""
        if self._opened:
            self._close()
            self._opened = False

    def state(self) -> dict[str, Any]:
        """Which record it is."""
        return {"id": self._id}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with that record."""
        self._id = state["id"]

    @abstractmethod
    def _open(self, known: str | None, epoch: int) -> str | None:
        """Open a record, or the `known` one again to go on at `epoch`; what it is known by."""

    @abstractmethod
    def _log(self, values: Mapping[str, float], epoch: int) -> None:
        """Add an epoch's values."""

    @abstractmethod
    def _close(self) -> None:
        """The record is complete."""


class TensorBoard(_Tracker):
    """Write each epoch's values as event files into `folder`, for `tensorboard --logdir`. Step numbers are epochs.

    A training that goes on from a snapshot hides what was written after it. Needs the package tensorboardX; raises
    ParameterError without it.
    """

    def __init__(self, folder: PathLike) -> None:
        super().__init__()
        self.folder = os.fspath(folder)
        self._package = _package("TensorBoard", "tensorboardX", "tensorboard")
        self._writer: Any = None

    def _open(self, known: str | None, epoch: int) -> str | None:
        # With purge_step, TensorBoard forgets the steps from there on that earlier files of the folder have.
        # The suffix: names go by seconds, and two fits of one second would write one file.
        self._writer = self._package.SummaryWriter(
            self.folder, purge_step=epoch if known else None, filename_suffix=f".{secrets.token_hex(4)}"
        )
        return self.folder

    def _log(self, values: Mapping[str, float], epoch: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def _close(self) -> None:
        self._writer.close()


class WandB(_Tracker):
    """Log each epoch's values to a run of Weights & Biases; `options` are those of wandb.init, such as
    project="digits".

    A run that the script has opened itself is used, and left open. Needs the package wandb; raises ParameterError
    without it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self._package = _package("WandB", "wandb", "wandb")
        self._run: Any = None
        self._own = False

    def _open(self, known: str | None, epoch: int) -> str | None:
        self._own = self._package.run is None
        going_on = {"id": known, "resume": "allow"} if known else {}
        self._run = self._package.init(**self.options | going_on) if self._own else self._package.run
        return str(self._run.id)

    def _log(self, values: Mapping[str, float], epoch: int) -> None:
        self._run.log(dict(values), step=epoch)

    def _close(self) -> None:
        if self._own:
            self._run.finish()


class MLflow(_Tracker):
    """Log each epoch's values to a run of MLflow; `options` are those of mlflow.start_run, such as run_name="digits".

    A run that the script has started itself is used, and left open. Needs the package mlflow; raises ParameterError
    without it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self._package = _package("MLflow", "mlflow", "mlflow")
        self._own = False

    def _open(self, known: str | None, epoch: int) -> str | None:
        run = self._package.active_run()
        self._own = run is None
        if run is None:
            run = self._package.start_run(**{"run_id": known} if known else self.options)
        return str(run.info.run_id)

    def _log(self, values: Mapping[str, float], epoch: int) -> None:
        self._package.log_metrics(dict(values), step=epoch)

    def _close(self) -> None:
        if self._own:
            self._package.end_run()


def _package(callback: str, module: str, extra: str) -> Any:
    """The module. Raises ParameterError, which says how to install it, if it is missing."""
    try:
        return import_module(module)
    except ImportError:
        raise ParameterError(
            f"mx.callback.{callback} needs the package {module}, which is not installed",
            remedy=install(extra),
        ) from None
