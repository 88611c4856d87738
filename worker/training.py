"""One fit: batches in, gradients to the key-value store as they become final, weights back, metrics and callbacks."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from ..common.errors import DataError
from . import kv
from .agreement import Shares
from .array import Array
from .batch_metric import BatchMetric
from .binding import Places
from .callback import BatchEnd, EpochEnd
from .exchange import Exchange
from .executor import Executor
from .feeding import InputNames, feed, input_shapes, whole_labels
from .iterators import DataBatch, DataIter
from .log import log_line, r_number
from .lookup import find_lookups, shapes_without_tables, without_tables
from .metric_base import Metric
from .parameters import Parameters
from .scoring import Learned, evaluate
from .session import Session
from .shared_states import SharedStates
from .spare_executor import SpareExecutor

if TYPE_CHECKING:
    from .feedforward import FeedForward
    from .fit_options import FitOptions


class Trainer:
    """Everything that one call of fit holds. Keys of the store are the parameters' names."""

    def __init__(
        self,
        model: FeedForward,
        iterator: DataIter,
        shares: Shares,
        session: Session,
        kind: str,
        metric: Metric,
    ) -> None:
        self.model, self.iterator, self.shares, self.session, self.metric = model, iterator, shares, session, metric
        self.names = InputNames.match(model.symbol, iterator)
        self.parameters = Parameters.prepare(model, self.names, input_shapes(iterator, self.names, shares.global_batch))
        learned = self.parameters.arguments.keys() - self.parameters.fixed
        self._lookups = find_lookups(model.symbol, self.names.data, learned)
        self._tables = {lookup.weight for lookup in self._lookups}
        self.optimizer = model.make_optimizer(shares.global_batch)
        self.store = kv.create(kind)
        if model.compression_params is not None:
            self.store.set_gradient_compression(model.compression_params)
        self._sums = kv.create("dist_sync") if session.num_workers > 1 else None
        with ExitStack() as stack:
            stack.callback(self._close)
            self._publish()
            self._bind()
            stack.pop_all()
        self._learned = {n: array for n, array in self._weights.items() if n not in self.parameters.fixed}
        self._pulled = {n: array for n, array in self._learned.items() if n not in self._tables}
        slices = self.executor.slices if self.executor else [(0, 0)]
        self.exchange = Exchange(self.store, self._pulled, self._lookups, slices)
        self._spare = SpareExecutor()
        self.steps = 0  # of this fit; the model's own count goes on from earlier fits
        self._batch_metric = BatchMetric(metric, shares, self._sums)
        self._shared_states = SharedStates(self._states, shares, self._sums)
        self._started = time.perf_counter()

    def run(self, epochs: range, options: FitOptions) -> None:
        """Train for those epochs, counted from 0; the model has what was learned even if an error ends it early."""
        with ExitStack() as stack:
            stack.callback(self._close)
            self._shared_states.publish()
            self._fetch()
            stack.callback(self._give_back_weights)
            for epoch in epochs:
                self.metric.reset()
                self._epoch(epoch, options)
                if not self._end_of_epoch(epoch, options):
                    break
                self.iterator.reset()
            self._settle()
            self._give_back_optimizer_states()

    def _publish(self) -> None:
        """Hand the initial parameters to the store."""
        self.store.set_optimizer(self.optimizer)
        for name, array in self.parameters.arguments.items():
            self.store.init(name, array, *self.parameters.multipliers[name], row_sparse=name in self._tables)
            if name not in self.parameters.fixed:
                self.store.init_states(name, self._kept_states(name))

    def _bind(self) -> None:
        """Bind this worker's share of the batch to the arrays that the store updates, where it has them here.

        The arrays that training changes are the executor's then, or plain ones on a worker without rows.
        """
        self.executor = self._executor() if self.shares.local_rows else None
        self._weights, self._states = self.parameters.arguments, self.parameters.states
        if self.executor is not None:
            bound = self.executor.arg_dict
            own = {name: self.store.value(name) for name in self._tables}
            kept = {name: array for name, array in own.items() if array is not None}
            self._weights = {n: bound.get(n, kept.get(n, a)) for n, a in self.parameters.arguments.items()}
            self._states = self.executor.aux_dict

    def _executor(self) -> Executor:
        symbol, arguments = without_tables(self.model.symbol, self._lookups), self.parameters.arguments
        inputs = input_shapes(self.iterator, self.names, self.shares.local_rows)
        shapes = shapes_without_tables(symbol, self._lookups, inputs)
        still = {*self.names.data, *self.names.label, *self.parameters.fixed}
        requests = {name: "null" if name in still else "write" for name in symbol.list_arguments()}
        bound = [name for name in requests if name in arguments]
        values = {name: array for name in bound if (array := self.store.value(name)) is not None}
        gradients = {name: self.store.empty(name) for name in bound if requests[name] == "write"}
        places = Places(values, gradients)
        executor = Executor.for_share(symbol, self.model.ctx, requests, self.shares.slices, shapes, places)
        executor.seed, executor.fit = self.shares.seed, self.shares.training
        executor.first_row, executor.global_rows = self.shares.first_row, self.shares.global_batch
        executor.copy_params_from({n: arguments[n] for n in bound if n not in values}, self.parameters.states)
        return executor

    def _kept_states(self, name: str) -> dict[str, Array]:
        """What an earlier fit left of this optimizer's states: after training with momentum one may go on without."""
        states = self.model.optimizer_states.get(name, {})
        return {state: array for state, array in states.items() if state in self.optimizer.state_names}

    def _fetch(self) -> None:
        """Take what the store holds: at first, what rank 0 sent."""
        for name, array in self._weights.items():
            if self.executor is None or self.store.value(name) is None:
                self.store.pull(name, out=array)

    def _fetch_tables(self) -> None:
        for name in sorted(self._tables):
            if self.store.value(name) is None:
                self.store.pull(name, out=self._weights[name])

    def _settle(self) -> None:
        """All ranks end with equal parameters, also where updates were applied as they came."""
        if self.store.type in ("dist_async", "dist_ssp"):
            self.store.barrier()
            self._fetch()

    def _epoch(self, epoch: int, options: FitOptions) -> None:
        count = 0
        for count, batch in enumerate(self.iterator, 1):
            self._check(batch)
            self._step(batch)
            self._report(epoch, count)
            options.after_batch(BatchEnd(epoch + 1, count, self.metric, self.model), self.session.rank == 0)
        if not count:
            raise DataError(f"the iterator has no batch in epoch {epoch + 1}")

    def _step(self, batch: DataBatch) -> None:
        """One update of every parameter."""
        rate = self.optimizer.rate(self.model.num_update)
        self.steps += 1
        self.exchange.begin(self.steps, rate)
        if self.executor is None:
            for name, array in self._pulled.items():
                self.exchange.announce(name, np.zeros_like(array))
            for lookup in self._lookups:
                self.exchange.announce(lookup.rows, np.zeros((0, lookup.op.output_dim), np.float32))
        else:
            self._look_up(self.executor, batch)
            feed(self.executor, self.names, batch, self.shares.rows)
            self.executor.number = self.model.num_update
            self.executor.count_over(whole_labels(self.executor, self.names, batch))
            self.executor.forward_backward(self.exchange.announce)
        self._shared_states.average()
        low, high = self.shares.rows
        outputs = self.executor.outputs if self.executor else self.parameters.empty_outputs
        self._batch_metric.begin([label[low:high] for label in batch.label], outputs)
        self.store.wait()
        self._batch_metric.end()
        self.model.num_update += 1

    def _look_up(self, executor: Executor, batch: DataBatch) -> None:
        data, (first, last) = dict(zip(self.names.data, batch.data, strict=True)), self.shares.rows
        for lookup in self._lookups:
            lookup.fetch(self.store, executor, data[lookup.data][first:last], self.shares.first_row)

    def _check(self, batch: DataBatch) -> None:
        rows = self.iterator.batch_size
        for array in (*batch.data, *batch.label):
            if len(array) != rows:
                raise DataError(f"a batch of {len(array)} rows", expected=f"{rows}, the iterator's batch_size")

    def _report(self, epoch: int, count: int) -> None:
        examples = self.steps * self.shares.global_batch
        speed = examples / max(time.perf_counter() - self._started, 1e-9)
        self.session.progress(
            fit=self.store.fit, epoch=epoch + 1, step=count, samples_per_second=speed, metric=_brief(self.metric)
        )

    def _end_of_epoch(self, epoch: int, options: FitOptions) -> bool:
        """Log, evaluate, call back; whether to go on, which is rank 0's verdict."""
        self._fetch_tables()
        train = _values(self.metric)
        validation = self._validate(options)
        if options.verbose and self.session.rank == 0:
            for kind, values in (("Train", train), ("Validation", validation)):
                for name, value in values.items():
                    log_line(f"[{epoch + 1}] {kind}-{name}={r_number(value)}")
        if not options.has_epoch_callbacks:
            return True
        self._give_back_weights()
        self._give_back_optimizer_states()
        end = EpochEnd(epoch + 1, train, validation, self.model)
        proceed = options.after_epoch(end, self.session.rank == 0)
        return all(verdict == b"1" for verdict in self.session.gather(b"1" if proceed else b"0"))

    def _validate(self, options: FitOptions) -> dict[str, float]:
        if options.evaluation is None:
            return {}
        options.evaluation_metric.reset()
        options.evaluation.reset()
        parameters = Learned(self.model.symbol, self.model.ctx, self._weights, self._states, self._spare)
        evaluate(parameters, options.evaluation, options.evaluation_metric, self.session)
        return _values(options.evaluation_metric)

    def _give_back_weights(self) -> None:
        self.model.arg_params = {name: array.copy() for name, array in self._weights.items()}
        self.model.aux_params = {name: array.copy() for name, array in self._states.items()}

    def _give_back_optimizer_states(self) -> None:
        self.model.optimizer_states = {name: self.store.states(name) for name in self._learned}

    def _close(self) -> None:
        self.store.close()
        if self._sums is not None:
            self._sums.close()


def _values(metric: Metric) -> dict[str, float]:
    return dict(leaf.get() for leaf in metric.leaves())


def _brief(metric: Metric) -> str:
    return " ".join(f"{name}={value:.4g}" for name, value in _values(metric).items())
