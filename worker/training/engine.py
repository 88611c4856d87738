"""The interface of what carries out a fit's steps: on the host with a key-value store, or on GPUs alone.

A Trainer runs the epochs, logs and calls back, and knows no more than `Engine`. HostEngine (store_engine.py) and
CudaEngine (gpu/engine.py) compute.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ...ps.optimizer import Optimizer
from ..array import Array
from ..data.data_iter import DataIter
from ..devices.placement import Placement
from ..graphs.optional_inputs import zero_states
from ..store.kvstore import KVStore
from ..store.session import Session
from .agreement import Shares
from .bad_numbers import BadSteps
from .capture import Capture
from .feeding import InputNames
from .metrics.base import CompositeMetric, Metric
from .model import Model
from .pairing import Pairing
from .parameters import Parameters


@dataclass(frozen=True)
class FitSetup:
    """Everything that a fit starts from. `kind` is the key-value store's, such as "dist_sync" or "auto", or a store
    whose kind and compression are taken.

    `loss` is measured besides the metric, except where an engine would have to wait for it. Of a fit that goes on from
    a snapshot, `residuals` and `own_state` are what the methods of these names returned.
    """

    model: Model
    iterator: DataIter
    shares: Shares
    session: Session
    kind: str | KVStore
    metric: Metric
    names: InputNames
    parameters: Parameters
    optimizer: Optimizer
    placement: Placement
    loss: Metric
    pairing: Pairing
    bad_steps: BadSteps
    residuals: Mapping[str, Array] = field(default_factory=dict)
    own_state: Mapping[str, Any] = field(default_factory=dict)

    @cached_property  # making one resets its members
    def measured(self) -> Metric:
        """What is counted of each batch."""
        return CompositeMetric([self.metric, self.loss])

    @property
    def learned(self) -> list[str]:
        """Names of the parameters that training changes."""
        return [name for name in self.parameters.arguments if name not in self.parameters.fixed]

    def rate(self, step: int) -> float:
        """The learning rate of update `step` of the model, counted from 0."""
        return self.optimizer.rate(step) * self.model.rate_factor

    def optimizer_going_on(self) -> Optimizer:
        """The optimizer after the updates of earlier fits; after none if some of its states begin at zero."""
        complete = all(len(self.kept_states(name)) == len(self.optimizer.state_names) for name in self.learned)
        return self.optimizer.going_on(self.model.num_update if complete else 0)

    @property
    def compression_params(self) -> Any:
        """How gradients are compressed: as the model says, or else as the store that was given; None for not at all."""
        if self.model.compression_params is None and isinstance(self.kind, KVStore):
            return self.kind.compression_params
        return self.model.compression_params

    def requests(self, arguments: list[str]) -> dict[str, str]:
        """For each of those arguments whether its gradient is wanted: "write", or "null", as `grad_req` has it."""
        # Not computing a gradient also spares backward all layers before the first that is learned.
        zero = zero_states(self.model.symbol) - self.parameters.arguments.keys()
        still = {*self.names.data, *self.names.label, *self.parameters.fixed, *zero}
        return {name: "null" if name in still else "write" for name in arguments}

    def kept_states(self, name: str) -> dict[str, Array]:
        """The states that an earlier fit left of a parameter, each of its shape, as far as this optimizer has them."""
        # After training with momentum one may go on without: what this optimizer does not know is left out.
        states = self.model.optimizer_states.get(name, {})
        return {state: array for state, array in states.items() if state in self.optimizer.state_names}


class Engine(ABC):
    """Carries out the steps of one fit. To be used in this order: `start`, `epoch` once per epoch, `settle`, `close`.

    Between `start` and `close`, after an error too, the values may be read: float32 host arrays by name, each of its
    parameter's or state's shape. In a job every worker calls the methods in the same order. Any of them may raise what
    the store does: RemoteError, PeerLost or JobError; on GPUs DeviceError.
    """

    fit: int  # the ordinal of the key-value store, by which the job knows this fit

    @abstractmethod
    def start(self) -> None:
        """Take the initial values, which are rank 0's on every rank."""

    @abstractmethod
    def epoch(self) -> Iterator[None]:
        """Train on the iterator's next epoch; yields once for every step that has been carried out or queued.

        The model's `num_update` counts them, and the metric is up to date whenever it is asked. Raises DataError if a
        batch is not what the iterator says or a gradient is NaN or infinite, ShapeError if a batch does not fit;
        Stopped before a step that the fit is to stop at.
        """

    @abstractmethod
    def weights(self) -> Mapping[str, Array]:
        """All parameters, fixed ones too. The arrays may change with the next step: copy what is to be kept."""

    @abstractmethod
    def states(self) -> Mapping[str, Array]:
        """The auxiliary states. The arrays may change with the next step."""

    @abstractmethod
    def optimizer_states(self) -> dict[str, dict[str, Array]]:
        """What the optimizer keeps of each learned parameter: by parameter, then by state, each of that shape."""

    def residuals(self) -> Mapping[str, Array]:
        """What this worker's compressed gradients have left out so far, by parameter; the next step changes them."""
        return {}

    def reserve(self) -> None:  # noqa: B027
        """Get memory for captures, on another thread, before there is one."""

    @abstractmethod
    def capture(self, whole: bool) -> Capture:
        """Begin, between two steps, to keep all arrays as they are now; if not `whole`, the residuals alone.

        The arrays of the last capture may be overwritten. Their copies go on while the next step is computed, until the
        caller has another thread call `finish`.
        """

    def own_state(self) -> Mapping[str, Any]:
        """What else the engine keeps from step to step, as dicts by names and numbers. It may wait for GPUs."""
        return {}

    @property
    def is_exact(self) -> bool:
        """Whether all of it is that of one step between two steps: not where updates are applied as they come."""
        return True

    def look(self) -> None:  # noqa: B027
        """Raise what has gone wrong in the steps so far and has not been noticed yet."""

    def settle(self) -> None:  # noqa: B027
        """Make sure after the last epoch that all ranks end with equal parameters."""

    @abstractmethod
    def close(self) -> None:
        """Free what was held; after this no value may be read."""
