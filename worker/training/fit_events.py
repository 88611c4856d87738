"""What callbacks are told: how far a training is after a batch, and what it has reached after an epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from .metrics.base import Metric


class BatchEnd(NamedTuple):
    """The progress of a training: `epoch` and `nbatch` count from 1, the metric is that of the epoch so far.

    In MXNet epochs count from 0.
    """

    epoch: int
    nbatch: int
    eval_metric: Metric | None = None
    model: Any = None


class EpochEnd(NamedTuple):
    """The results of epoch `epoch` (from 1): metric values by name, `validation` empty without evaluation data.

    `train` holds means over batches, `validation` values over all examples; `maximize` says of which more is better.
    `learning_rate` is that of the epoch's last step; the epoch took so many `seconds`, with its evaluation. `loss` and
    `validation_loss` are what the network's losses come to, NaN where that is not known: see History.
    """

    epoch: int
    train: Mapping[str, float]
    validation: Mapping[str, float]
    model: Any = None
    maximize: Mapping[str, bool] = MappingProxyType({})
    learning_rate: float = math.nan
    seconds: float = math.nan
    loss: float = math.nan
    validation_loss: float = math.nan
