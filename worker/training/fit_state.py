"""The state of a fit at a step boundary: all that the steps to come depend on, as a tree for a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ...common.errors import FileFormatError
from ..data.data_iter import DataIter
from ..files.snapshot import Snapshot
from ..files.state_tree import copied
from ..graphs import json_text
from ..store.session import Session
from .capture import ByName, Held
from .engine import FitSetup
from .fit_callbacks import FitCallbacks
from .fit_checks import go_on_at
from .history import History
from .metrics.base import Metric
from .model import Model
from .process_state import random_state, residuals_of, restore_random

_OF_MODEL = ("optimizer_states", "num_update", "skipped_steps", "begin_epoch", "training", "rate_factor")


@dataclass
class FitState:
    """The network as JSON, arrays by parameter's or state's name, and where the training stands.

    `batch` batches of epoch `epoch` (from 0) are done; `step` counts those of all epochs of this fit. `slices` is the
    number over the whole job, `order` the seed of the iterator's shuffle. `residuals` are what this worker's compressed
    gradients have left out, and `engine` is its `own_state`. `metrics`, `callbacks` and `history` are what their
    `state` methods returned.
    """

    symbol: str
    arg_params: ByName
    aux_params: ByName
    optimizer_states: Mapping[str, ByName]
    num_update: int
    begin_epoch: int
    num_epoch: int
    training: int
    epoch: int
    batch: int
    step: int
    slices: int
    workers: int
    order: int | None
    metrics: list[Any]
    callbacks: Mapping[str, Any]
    rate_factor: float = 1.0
    history: Mapping[str, Any] = field(default_factory=lambda: History().state())
    residuals: ByName = field(default_factory=dict)
    engine: Mapping[str, Any] = field(default_factory=dict)
    skipped_steps: int = 0
    random: Mapping[str, Any] = field(default_factory=lambda: random_state())

    @staticmethod
    def now(
        setup: FitSetup,
        callbacks: FitCallbacks,
        step: int,
        epoch: int,
        batch: int,
        arrays: Held,
        engine: Mapping[str, Any],
    ) -> FitState:
        """The state of a fit after `step` steps, with these arrays. Raises what the callbacks' `state` does.

        The arrays themselves may be filled later.
        """
        model = setup.model
        return FitState(
            symbol=json_text.dumps(model.symbol),
            arg_params=arrays.weights,
            aux_params=arrays.states,
            optimizer_states=arrays.optimizer_states,
            num_update=model.num_update,
            begin_epoch=model.begin_epoch,
            num_epoch=model.num_epoch,
            training=model.training,
            epoch=epoch,
            batch=batch,
            step=step,
            slices=setup.shares.total_slices,
            workers=setup.session.num_workers,
            order=getattr(setup.iterator, "seed", None),
            metrics=[leaf.state() for leaf in setup.measured.leaves()],
            callbacks=callbacks.state(),
            rate_factor=model.rate_factor,
            history=copied(model.history.state(), "history"),
            residuals=arrays.residuals,
            engine=engine,
            skipped_steps=model.skipped_steps,
        )

    def tree(self) -> dict[str, Any]:
        """All of it as a tree for `snapshot.write`."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @staticmethod
    def of(found: Snapshot, session: Session) -> FitState:
        """The state in a snapshot, with this worker's part of it. Raises FileFormatError if something is missing."""
        known = {item.name for item in fields(FitState)}
        try:  # what a newer minor version knows besides is left out
            state = FitState(**{name: value for name, value in found.tree.items() if name in known})
        except (AttributeError, TypeError) as error:
            raise FileFormatError(f"{found.path} has not the state of a fit: {error}") from None
        if state.residuals:
            state.residuals = residuals_of(found, state.residuals, session)
        return state

    def give(self, model: Model, iterator: DataIter) -> None:
        """Let the model, an iterator that has just been begun, and the process's random numbers be where they were.

        Raises DataError if the iterator has too few batches.
        """
        model.arg_params, model.aux_params = dict(self.arg_params), dict(self.aux_params)
        for name in _OF_MODEL:
            setattr(model, name, getattr(self, name))
        model.history = History.of(self.history)
        if self.order is not None and hasattr(iterator, "reseed"):
            iterator.reseed(self.order)
        go_on_at(iterator, self.epoch, self.batch)
        # Last: one that cannot seek comes to its place by reading, and may draw as it did then.
        restore_random(self.random)

    def give_metric(self, metric: Metric) -> None:
        """Let a metric go on counting."""
        for leaf, state in zip(metric.leaves(), self.metrics, strict=False):  # older snapshots have no loss
            leaf.restore(state)
