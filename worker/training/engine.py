"""What carries a fit's steps out: on the host with a key-value store, or on GPUs alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...common.errors import DataError
from ...ps.optimizer import Optimizer
from ..array import Array
from ..data.iterators import DataBatch, DataIter
from ..devices.placement import Placement
from ..store.session import Session
from .agreement import Shares
from .feeding import InputNames
from .metrics.base import Metric
from .model import Model
from .parameters import Parameters


@dataclass(frozen=True)
class FitSetup:
    """Everything that a fit begins with. `kind` is the key-value store's."""

    model: Model
    iterator: DataIter
    shares: Shares
    session: Session
    kind: str
    metric: Metric
    names: InputNames
    parameters: Parameters
    optimizer: Optimizer
    placement: Placement

    @property
    def learned(self) -> list[str]:
        """The parameters that training changes."""
        return [name for name in self.parameters.arguments if name not in self.parameters.fixed]

    def requests(self, arguments: list[str]) -> dict[str, str]:
        """Which of those arguments want a gradient."""
        still = {*self.names.data, *self.names.label, *self.parameters.fixed}
        return {name: "null" if name in still else "write" for name in arguments}

    def kept_states(self, name: str) -> dict[str, Array]:
        """What an earlier fit left of this optimizer's states: after training with momentum one may go on without."""
        states = self.model.optimizer_states.get(name, {})
        return {state: array for state, array in states.items() if state in self.optimizer.state_names}


class Engine(ABC):
    """Used in this order: `start`, `epoch` as often as wanted, `settle`, `close`; values may be read in between."""

    fit: int  # the ordinal of the key-value store, by which a job knows it

    @abstractmethod
    def start(self) -> None:
        """Take the initial values: rank 0's."""

    @abstractmethod
    def epoch(self) -> Iterator[None]:
        """Train on the iterator's next epoch; one item for every step that has been carried out or queued.

        The model's `num_update` counts them, and the metric is up to date whenever it is asked.
        """

    @abstractmethod
    def weights(self) -> Mapping[str, Array]:
        """The parameters as host arrays, which may change with the next step."""

    @abstractmethod
    def states(self) -> Mapping[str, Array]:
        """The auxiliary states as host arrays, which may change with the next step."""

    @abstractmethod
    def optimizer_states(self) -> dict[str, dict[str, Array]]:
        """What the optimizer keeps of each learned parameter, by its name and the state's."""

    def settle(self) -> None:  # noqa: B027
        """After the last epoch: all ranks end with equal parameters."""

    @abstractmethod
    def close(self) -> None:
        """Free what was held; after this no value is read."""


def check_batch(iterator: DataIter, batch: DataBatch) -> None:
    """DataError unless every array of the batch has the iterator's batch_size."""
    for array in (*batch.data, *batch.label):
        if len(array) != iterator.batch_size:
            raise DataError(
                f"a batch of {len(array)} rows", expected=f"{iterator.batch_size}, the iterator's batch_size"
            )
