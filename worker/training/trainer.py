"""One fit: epochs of steps that an engine carries out, and what is logged, evaluated and called in between.

All workers must wait for each other at the same points. So whether an epoch is evaluated, and whether verdicts are
gathered at its end, depends on what all ranks were given alike, never on what rank 0 alone does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from ...common.errors import DataError
from ..data.data_iter import DataIter
from ..log import log_line, r_number
from ..store.kvstore import KVStore
from ..store.session import Session
from .agreement import Shares, agree_on_evaluation, check_equal_batches
from .bad_numbers import BadSteps, Stopped
from .engine import Engine, FitSetup
from .feeding import InputNames, input_shapes
from .fit_callbacks import FitCallbacks
from .fit_events import BatchEnd, EpochEnd
from .fit_state import FitState
from .head_loss import HeadLoss
from .metrics.base import CompositeMetric, Metric, current_values, named
from .model import Model
from .network_picture import leave_picture
from .pace import Pace
from .pairing import Pairing
from .parameters import Parameters
from .prediction import Learned, SpareExecutor, evaluate
from .progress_bar import NoBar, TrainingBar
from .snapshots import Snapshots
from .store_engine import HostEngine


class Trainer:
    """Everything that one call of fit holds, apart from the model, which gets what was learned."""

    def __init__(
        self,
        model: Model,
        iterator: DataIter,
        shares: Shares,
        session: Session,
        kind: str | KVStore,
        metric: Metric,
        on_nan: str,
        resumed: FitState | None = None,
        snapshots: Snapshots | None = None,
        bar: type[TrainingBar] | None = None,
    ) -> None:
        """Draw the missing parameters and make the engine. `kind` is the key-value store's, or a store of that kind,
        `metric` the training's, `on_nan` one of nan_policy.POLICIES.

        `resumed` is where it goes on, from a snapshot that the model has been given; None if it begins an epoch. `bar`:
        what shows how far it is. Raises what `InputNames.match`, `Parameters.prepare` and the engines do.
        """
        self.model, self.iterator, self.shares, self.session, self.metric = model, iterator, shares, session, metric
        names = InputNames.match(model.symbol, iterator)
        self._inputs = input_shapes(model.symbol, iterator, names, shares.global_batch)
        self.parameters = Parameters.prepare(model, names, self._inputs)
        optimizer, placement = model.make_optimizer(shares.global_batch), model.placement()
        pairing = Pairing(model.symbol, names, iterator, shares.global_batch)
        pairing.check_names(metric)
        self._setup = FitSetup(
            model=model,
            iterator=iterator,
            shares=shares,
            session=session,
            kind=kind,
            metric=metric,
            loss=HeadLoss(model.symbol),
            names=names,
            parameters=self.parameters,
            optimizer=optimizer,
            placement=placement,
            pairing=pairing,
            bad_steps=BadSteps(on_nan, model, session),
            residuals=resumed.residuals if resumed else {},
            own_state=resumed.engine if resumed else {},
        )
        self.engine = _engine(self._setup)
        self._resumed, self._snapshots = resumed, snapshots
        self._shows_bar, self._bar = bar, NoBar()
        self._pace: Pace
        self._spare = SpareExecutor()
        self._validation: dict[str, float] = {}  # of the last epoch that was evaluated
        self._validation_loss = HeadLoss(model.symbol, checks=True)
        self._compared = False  # whether the ranks' evaluation data have been
        self._batch = 0  # how many of the epoch are done
        self._steps = 0  # since this object was made; the model's own count goes on from earlier fits
        self._started = time.perf_counter()

    def run(self, epochs: range, callbacks: FitCallbacks) -> None:
        """Train for those epochs, counted from 0; the model gets its weights even if an error ends the training.

        The model's `begin_epoch` counts the epochs that are done. Raises DataError if an epoch has no batch, what the
        engine's `epoch` raises, and what callbacks do.
        """
        first = self.session.rank == 0
        self._pace = Pace(epochs, self.shares.global_batch, self.iterator)
        callbacks.before_fit(self.model, first)
        leave_picture(self.model.symbol, self._inputs, self.session)
        if self._resumed is not None:
            callbacks.restore(self._resumed.callbacks)
        with ExitStack() as stack:
            stack.callback(self.engine.close)
            if self._shows_bar is not None:
                self._bar = stack.enter_context(self._shows_bar(self._pace))
            self.engine.start()
            if self._snapshots is not None:
                stack.callback(self._snapshots.close)
                self._snapshots.begin(self.engine, epochs.start, self._resumed.batch if self._resumed else 0)
            # Called before `close`, as an ExitStack goes backwards: closing frees the arrays that they copy.
            stack.callback(self._give_back_weights)
            if not self.session.is_distributed:  # else an error may be the servers', who have the states
                stack.callback(self._give_back_optimizer_states)
            stopped = self._epochs(epochs, callbacks)
            self.engine.settle()
            if self.session.is_distributed:
                self._give_back_optimizer_states()
        callbacks.after_fit(self.model, first)
        # Of a fit that was stopped there is a snapshot of where that was, so that it can go on from there.
        if self._snapshots is not None and not stopped:
            self._snapshots.after_fit(self._setup, callbacks)

    def _epochs(self, epochs: range, callbacks: FitCallbacks) -> bool:
        """Train for those epochs; whether the training was stopped in the midst of one."""
        for epoch in epochs:
            began = time.perf_counter()
            try:
                count = self._epoch(epoch, callbacks)
            except Stopped:
                if self._snapshots is not None:
                    self._snapshots.at_stop(self._setup, self.engine, epoch, self._batch, callbacks)
                return True
            check_equal_batches(self.session, count, epoch)
            if self._snapshots is not None:
                self._snapshots.after_epoch(self._setup, self.engine, epoch, count, callbacks)
            self.model.begin_epoch = epoch + 1
            proceed = self._end_of_epoch(epoch, count, began, callbacks)
            self.iterator.reset()
            if not proceed:
                break
        return False

    def _epoch(self, epoch: int, callbacks: FitCallbacks) -> int:
        """Train on the iterator's next epoch, with batch callbacks after each step; how many batches it had.

        Of the epoch in which it goes on from a snapshot, some batches are done.
        """
        self._setup.measured.reset()
        self._batch = 0
        if self._resumed is not None and self._resumed.epoch == epoch:
            self._batch = self._resumed.batch
            if self._batch:
                self._resumed.give_metric(self._setup.measured)
        self._pace.begin_epoch(epoch, self._batch)
        self._bar.begin_epoch()
        for _ in self.engine.epoch():
            self._steps += 1
            self._batch += 1
            self._pace.step(self._batch)
            self._report(epoch, self._batch, lambda: current_values(self.metric))
            self._bar.step(self._shown)
            if callbacks.are_there:
                end = BatchEnd(epoch + 1, self._batch, self.metric, self.model)
                callbacks.after_batch(end, self.session.rank == 0)
            if self._snapshots is not None:
                self._snapshots.after_step(self._setup, self.engine, epoch, self._batch, callbacks)
        if not self._batch:
            raise DataError(f"the iterator has no batch in epoch {epoch + 1}")
        return self._batch

    def _report(self, epoch: int, count: int, train: Callable[[], dict[str, float]], at_once: bool = False) -> None:
        """Tell the launcher about step `count` (from 1) of the epoch; the speed is the mean since the fit began.

        `train` says what the metric is so far, and is seldom asked: on GPUs its value must be waited for.
        """
        if not self.session.is_distributed:  # there is no launcher to tell
            return
        examples = self._steps * self.shares.global_batch
        speed = examples / max(time.perf_counter() - self._started, 1e-9)  # a clock may not have moved
        self.session.progress(
            fit=self.engine.fit,
            epoch=epoch + 1,
            step=count,
            samples_per_second=speed,
            epochs=self._pace.epochs.stop,
            steps=self._pace.steps or 0,
            seconds_left=self._pace.left or 0.0,
            metric=lambda: _brief(train() | {f"Validation-{name}": it for name, it in self._validation.items()}),
            at_once=at_once,
        )

    def _end_of_epoch(self, epoch: int, count: int, began: float, callbacks: FitCallbacks) -> bool:
        """Evaluate, log, call back; whether to go on: not if a callback of any worker has returned False.

        The epoch had `count` batches and `began` at that time of time.perf_counter.
        """
        # Read before the evaluation, which resets the metric if the user passed one object for both.
        train, loss = current_values(self.metric), self._setup.loss.get()[1]
        if callbacks.evaluation is not None:
            self._bar.evaluates(self._shown)
        validation = self._validation = self._validate(callbacks)
        # A short training is over before the launcher would hear of it.
        if validation or epoch + 1 == self._pace.epochs.stop:
            self._report(epoch, count, lambda: train, at_once=True)
        if callbacks.verbose and self.session.rank == 0:
            for kind, values in (("Train", train), ("Validation", validation)):
                for name, value in values.items():
                    log_line(f"[{epoch + 1}] {kind}-{name}={r_number(value)}")
        measured = callbacks.evaluation_metric if validation else self.metric
        maximize = named(measured, [leaf.maximize for leaf in measured.leaves()])
        rate = self._setup.rate(self.model.num_update - 1)
        seconds = time.perf_counter() - began
        losses = loss, self._validation_loss.get()[1]
        end = EpochEnd(epoch + 1, train, validation, self.model, maximize, rate, seconds, *losses)
        self.model.history.add(end)
        if not callbacks.has_epoch_callbacks:  # the same on all ranks, so none waits in the gather below alone
            return True
        self._give_back_weights()
        self._give_back_optimizer_states()
        proceed = callbacks.after_epoch(end, self.session.rank == 0)
        verdicts = self.session.gather(b"1" if proceed else b"0", f"callbacks at the end of epoch {epoch + 1}")
        return all(verdict == b"1" for verdict in verdicts)

    def _shown(self) -> dict[str, float]:
        return {"loss": self._setup.loss.get()[1]} | current_values(self.metric)

    def _validate(self, callbacks: FitCallbacks) -> dict[str, float]:
        """The evaluation metric over the evaluation data by name, computed with the current weights."""
        if callbacks.evaluation is None:
            return {}
        weights, states = self.engine.weights(), self.engine.states()
        parameters = Learned(
            self.model.symbol, self.model.placement(), weights, states, self._spare, self.model.precision
        )
        what = "evaluation in fit"
        if not self._compared:  # data and network stay the same over the epochs
            agree_on_evaluation(self.session, self.model.symbol, callbacks.evaluation, None, what)
            self._compared = True
        measured = CompositeMetric([callbacks.evaluation_metric, self._validation_loss])
        evaluate(parameters, callbacks.evaluation, measured, self.session, what)
        return current_values(callbacks.evaluation_metric)

    def _give_back_weights(self) -> None:
        """Copy weights and auxiliary states into the model, where the next step does not change them."""
        self.model.arg_params = {name: array.copy() for name, array in self.engine.weights().items()}
        self.model.aux_params = {name: array.copy() for name, array in self.engine.states().items()}

    def _give_back_optimizer_states(self) -> None:
        self.model.optimizer_states = self.engine.optimizer_states()


def _engine(setup: FitSetup) -> Engine:
    """The engine for this fit: GPUs of a process outside a job by themselves, all else through a key-value store."""
    placement = setup.placement
    # Compressed gradients are the store's business, in one process as well.
    alone = not setup.session.is_distributed and setup.compression_params is None
    if placement.gpus and not placement.is_mixed and alone:
        from .gpu.engine import CudaEngine  # not before a GPU is asked for: it needs cupy

        if CudaEngine.handles(setup):
            return CudaEngine(setup)
    return HostEngine(setup)


def _brief(values: Mapping[str, float]) -> str:
    return " ".join(f"{name}={value:.4g}" for name, value in values.items())
