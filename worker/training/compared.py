"""What the outputs of a step are compared with by metrics: labels, or the data of an autoencoder."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..array import Array
from ..data.data_iter import DataBatch
from ..data.taken_batch import TakenBatch
from ..execution.executor_base import StepExecutor
from .engine import FitSetup
from .feeding import chosen, shapes_for


class Compared:
    """This worker's rows of those labels or data, in the shapes that the iterator yields."""

    def __init__(self, setup: FitSetup, executor: StepExecutor | None, is_kept: bool) -> None:
        """`is_kept`: whether anybody may still want a batch's arrays after the step."""
        self._names, self._wanted, self._rows = setup.names, setup.pairing.compared, setup.shares.rows
        self._arguments: Mapping[str, Array] | None = None
        if executor is not None and not is_kept and self._lie_in(executor, setup):
            self._arguments = executor.arg_dict

    def of(self, batch: DataBatch) -> Mapping[str, Array]:
        """At least what is compared, by argument, when the step on that batch has been computed."""
        if self._arguments is not None and isinstance(batch, TakenBatch):
            return self._arguments  # rather than gathered once more
        low, high = self._rows
        return {name: array[low:high] for name, array in chosen(self._names, batch, self._wanted).items()}

    def _lie_in(self, executor: StepExecutor, setup: FitSetup) -> bool:
        """Whether arguments hold them as they are; a TakenBatch's are float32."""
        shapes, found = shapes_for(setup.iterator, self._names, executor.rows), executor.arg_dict
        return all(
            name in found and found[name].shape == shapes[name] and found[name].dtype == np.float32
            for name in self._wanted
        )
