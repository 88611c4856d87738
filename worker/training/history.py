"""What a model's training has been like, epoch by epoch, and the callback that writes it to a file."""

from __future__ import annotations

import csv
import io
import math
import os
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...common.shown import ShowsOptions
from ..atomic_files import PathLike
from .fit_events import EpochEnd


class History:
    """Lists with one entry for each epoch of a model's fits: `epoch` (from 1), `seconds` (with its evaluation),
    `learning_rate` (of its last step), `loss` and `validation_loss`; `train` and `validation` have such a list for each
    metric, by name.

    The loss is what the network's last operators minimise: the cross-entropy of SoftmaxOutput and
    LogisticRegressionOutput, the mean squared error of LinearRegressionOutput, the mean absolute error of
    MAERegressionOutput, the hinge loss of SVMOutput, the mean of MakeLoss's output; their sum if there are several.
    Where an epoch has no such value, as with a Custom operator, it is NaN. A model that goes back, as to its best
    epoch, and is trained on, loses the entries of the epochs that it trains again.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.seconds: list[float] = []
        self.learning_rate: list[float] = []
        self.loss: list[float] = []
        self.validation_loss: list[float] = []
        self.train: dict[str, list[float]] = {}
        self.validation: dict[str, list[float]] = {}

    def __len__(self) -> int:
        return len(self.epoch)

    def __repr__(self) -> str:
        return f"History of {len(self)} epochs: {', '.join(self.columns())}"

    def add(self, end: EpochEnd) -> None:
        """Append the results of an epoch."""
        self._cut(bisect_left(self.epoch, end.epoch))
        before = len(self)
        self.epoch.append(end.epoch)
        self.seconds.append(end.seconds)
        self.learning_rate.append(end.learning_rate)
        self.loss.append(end.loss)
        self.validation_loss.append(end.validation_loss)
        for lists, values in ((self.train, end.train), (self.validation, end.validation)):
            lists.update((name, [math.nan] * before) for name in values if name not in lists)
            for name, column in lists.items():
                column.append(values.get(name, math.nan))

    def columns(self) -> dict[str, list[Any]]:
        """All lists by name, such as train_accuracy: what pandas.DataFrame takes."""
        return {
            "epoch": self.epoch, "seconds": self.seconds, "learning_rate": self.learning_rate, "loss": self.loss,
            **({"validation_loss": self.validation_loss} if self.validation else {}),
            **{f"train_{name}": values for name, values in self.train.items()},
            **{f"validation_{name}": values for name, values in self.validation.items()},
        }  # fmt: skip

    def state(self) -> dict[str, Any]:
        """The lists by the names of the attributes, for a snapshot."""
        return dict(vars(self))

    @staticmethod
    def of(state: Mapping[str, Any]) -> History:
        """The history whose `state` that was."""
        history = History()
        vars(history).update(state)
        for values in (history.loss, history.validation_loss):  # which older snapshots do not have
            values += [math.nan] * (len(history) - len(values))
        return history

    def _cut(self, length: int) -> None:
        if length < len(self):
            for values in (*self.columns().values(), self.validation_loss):
                del values[length:]


class CSVLogger(ShowsOptions):
    """Write a line for each epoch to the file `path`: epoch, seconds, learning rate, losses, and all metrics.

    The columns are those of `History.columns`, named in the first line. With `append` they are added to what the file
    has; otherwise each fit begins the file anew. A training that goes on from a snapshot goes on where its lines ended.
    """

    def __init__(self, path: PathLike, append: bool = False) -> None:
        self.path, self.append = Path(os.fspath(path)), append
        self._length = 0  # of the file, in bytes, as far as it is ours to keep

    def fit_begin(self, model: Any) -> None:
        """Look whether there is something to be kept. Raises OSError if the folder does not exist."""
        with self.path.open("ab") as stream:
            self._length = stream.tell() if self.append else 0

    def epoch_end(self, param: EpochEnd) -> None:
        """Write the epoch's line. Raises OSError if it cannot be written."""
        columns = _row(param)
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        if not self._length:
            writer.writerow(columns)
        writer.writerow(columns.values())
        with self.path.open("r+b" if self.path.exists() else "wb") as stream:
            # What lies behind was written after the snapshot that the training goes on from.
            stream.truncate(min(self._length, stream.seek(0, os.SEEK_END)))
            stream.seek(0, os.SEEK_END)
            stream.write(text.getvalue().encode())
            self._length = stream.tell()

    def state(self) -> dict[str, Any]:
        """How long the file is, in bytes."""
        return {"length": self._length}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on at that length."""
        self._length = state["length"]


def _row(end: EpochEnd) -> dict[str, Any]:
    """One epoch's values by column."""
    history = History()
    history.add(end)
    return {name: values[0] for name, values in history.columns().items()}
