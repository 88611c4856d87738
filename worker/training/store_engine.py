"""A fit's steps through a key-value store: batches in, gradients to the store as they become final, weights back.

HostEngine binds an executor for this worker's rows, whose arrays are those of the store wherever it has them in reach:
in one process, or in shared memory, where a pull then copies nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from ..array import Array, Rows
from ..data.contract import batches
from ..data.data_iter import DataBatch
from ..execution.bound_arrays import Places
from ..execution.choose_executor import bind_share
from ..execution.executor_base import StepExecutor
from ..store import kv
from .capture import Capture, Copies
from .compared import Compared
from .engine import Engine, FitSetup
from .feeding import feed, input_shapes, whole_labels
from .gradient_exchange import Exchange
from .held_exchange import HeldExchange
from .metrics.batch_metric import BatchMetric
from .shared_states import SharedStates
from .sparse_embeddings import find_lookups, shapes_without_tables, without_tables


class HostEngine(Engine):
    """The engine on the processor, on GPUs beside it, and in jobs with servers: computes on what `bind_share` gives.

    Keys of the store are the parameters' names. A second store without an optimizer sums metrics and auxiliary states
    over the workers of a job. A worker without rows has no executor and contributes zeros.
    """

    def __init__(self, setup: FitSetup) -> None:
        """Raises what making a store and binding do: ParameterError, ShapeError, GraphError, DeviceError, JobError.

        Every worker makes one, in the same order as all other stores: they are known by their ordinals.
        """
        self._setup, self._model, self._shares = setup, setup.model, setup.shares
        self._parameters, session = setup.parameters, setup.session
        self._lookups = find_lookups(self._model.symbol, setup.names.data, set(setup.learned))
        self._tables = {lookup.weight for lookup in self._lookups}
        self.store = kv.create(setup.kind)
        self.fit = self.store.fit
        self.executor: StepExecutor | None = None
        self._copies: Copies | None = None
        if setup.compression_params is not None:
            self.store.set_gradient_compression(setup.compression_params)
            self.store.restore_residuals(setup.residuals)
        self._sums = kv.create("dist_sync") if session.num_workers > 1 else None
        with ExitStack() as stack:
            stack.callback(self.close)
            # In this order: the executor is bound to arrays that the store has once keys have been initialised.
            self._publish()
            self._bind()
            stack.pop_all()  # from here on it is the caller who closes
        self._learned = {name: self._weights[name] for name in setup.learned}
        self._pulled = {n: array for n, array in self._learned.items() if n not in self._tables}
        slices = self.executor.slices if self.executor else [(0, 0)]
        self._copies = Copies(self.store, self._weights, self._states, self._learned)
        self._exchange = self._make_exchange(slices, self._copies.before)
        self._step_number = 0  # pushes in this fit; the model's own count goes on from earlier fits
        self._batch_metric = BatchMetric(setup.measured, setup.pairing, self._shares, self._sums)
        self._compared = Compared(setup, self.executor, is_kept=not self._batch_metric.is_compiled)
        self._shared_states = SharedStates(self._states, self._shares, self._sums)

    def _make_exchange(self, slices: Sequence[Rows], before: Callable[[str], None]) -> Exchange:
        exchange = self._new_exchange(slices, before)
        if self.executor is not None:
            self.executor.finish_by(exchange.rows)
        return exchange

    def _new_exchange(self, slices: Sequence[Rows], before: Callable[[str], None]) -> Exchange:
        bad = self._setup.bad_steps
        if bad.policy == "skip" and self.executor is not None:
            self.executor.show_overflow()  # such a step is left out as well, by all workers
        # Where a step may be left out, gradients are looked at before they are pushed.
        self.store.must_be_finite = bad.policy == "error"
        if bad.leaves_out:
            return HeldExchange(self.store, self._pulled, self._lookups, slices, self._states, bad, before)
        return Exchange(self.store, self._pulled, self._lookups, slices, before)

    def start(self) -> None:
        """Take rank 0's auxiliary states and parameters."""
        self._shared_states.publish()
        self._fetch()

    def epoch(self) -> Iterator[None]:
        """Carry out a step for each batch of the iterator's next epoch; yields when the step has ended."""
        for batch in batches(self._setup.iterator):
            self._step(batch)
            yield

    def weights(self) -> Mapping[str, Array]:
        """All parameters by name, each of its shape; tables whose rows are looked up are fetched first."""
        # Sorted, as a set has another order in every process.
        for name in sorted(self._tables):
            if self.store.value(name) is None:
                self.store.pull(name, out=self._weights[name])
        return self._weights

    def states(self) -> Mapping[str, Array]:
        """The auxiliary states by name, each of its shape: the executor's, or plain arrays on a worker without rows."""
        return self._states

    def optimizer_states(self) -> dict[str, dict[str, Array]]:
        """The optimizer's states by parameter, then by state, of the parameter's shape: copies from the store."""
        return dict(zip(self._learned, self.store.states(list(self._learned)), strict=True))

    def residuals(self) -> Mapping[str, Array]:
        """What this worker's compressed gradients have left out, by parameter, of its shape."""
        return self.store.residuals()

    def reserve(self) -> None:
        """Get memory for captures."""
        assert self._copies is not None
        self._copies.reserve()

    def capture(self, whole: bool) -> Capture:
        """Begin to copy; what lies in no array of this worker's, or is newer on the servers, is fetched from there."""
        assert self._copies is not None
        self._exchange.asks_before[0] = 1
        names = self._tables if self.is_exact else self._weights
        return self._copies.capture([name for name in names if self.store.value(name) is None], whole)

    @property
    def is_exact(self) -> bool:
        """Not so in dist_async and dist_ssp."""
        return self.store.is_exact

    def settle(self) -> None:
        """Where updates are applied as they come, wait for all of them and fetch the final parameters."""
        # After a step of dist_sync all ranks hold the same version anyway.
        if not self.is_exact:
            self.store.barrier()
            self._fetch()

    def close(self) -> None:
        """Let go of the executor and free the keys in the stores."""
        if self._copies is not None:
            self._copies.close()
        # The executor first: its arrays may be in shared memory that belongs to the store.
        if self.executor is not None:
            self.executor.close()
        self.store.close()
        if self._sums is not None:
            self._sums.close()

    def _publish(self) -> None:
        """Hand the initial parameters, and optimizer states of earlier fits, to the store."""
        self.store.set_optimizer(self._setup.optimizer_going_on())
        # Fixed ones, too: all ranks begin with rank 0's values.
        names, arrays = list(self._parameters.arguments), list(self._parameters.arguments.values())
        multipliers = [self._parameters.multipliers[name] for name in names]
        rates, decays = [rate for rate, _ in multipliers], [decay for _, decay in multipliers]
        self.store.init(names, arrays, rates, decays, [name in self._tables for name in names])
        self.store.init_states({name: self._setup.kept_states(name) for name in self._setup.learned})

    def _bind(self) -> None:
        """Bind this worker's share of the batch to the arrays that the store updates, where these are in reach.

        `_weights` and `_states` are then the arrays that training changes: the executor's, the store's for tables
        whose rows are looked up, or plain ones on a worker without rows.
        """
        self.executor = self._bound() if self._shares.local_rows else None
        self._weights, self._states = self._parameters.arguments, self._parameters.states
        if self.executor is not None:
            bound = self.executor.arg_dict
            own = {name: self.store.value(name) for name in self._tables}
            kept = {name: array for name, array in own.items() if array is not None}
            self._weights = {n: bound.get(n, kept.get(n, a)) for n, a in self._parameters.arguments.items()}
            self._states = self.executor.aux_dict

    def _bound(self) -> StepExecutor:
        """An executor for this worker's rows that computes on the store's weights and into its gradients."""
        setup, shares = self._setup, self._shares
        symbol, arguments = without_tables(self._model.symbol, self._lookups), self._parameters.arguments
        inputs = input_shapes(self._model.symbol, setup.iterator, setup.names, shares.local_rows)
        shapes = shapes_without_tables(symbol, self._lookups, inputs)
        requests = setup.requests(symbol.list_arguments())
        bound = [name for name in requests if name in arguments]
        # In shared memory, `empty` is where the server reads a gradient and `value` where it writes the new weight:
        # there the executor's own arrays are what travels, without a copy.
        values = {name: array for name in bound if (array := self.store.value(name)) is not None}
        gradients = {name: self.store.empty(name) for name in bound if requests[name] == "write"}
        places = Places(values, gradients)
        executor = bind_share(symbol, setup.placement, requests, shares.slices, shapes, places, self._model.precision)
        executor.copy_params_from({n: arguments[n] for n in bound if n not in values}, self._parameters.states)
        return executor

    def _fetch(self) -> None:
        """Copy all parameters from the store that do not lie in it: at first, what rank 0 sent."""
        away = [name for name in self._weights if self.executor is None or self.store.value(name) is None]
        self.store.pull(away, out=[self._weights[name] for name in away])

    def _step(self, batch: DataBatch) -> None:
        """One update of every parameter, unless it is left out."""
        rate = self._setup.rate(self._model.num_update)
        self._exchange.begin(self._step_number + 1, rate)
        if self.executor is None:
            self._announce_zeros()
        else:
            self._compute(self.executor, batch)
        if self._exchange.end():
            self._step_number += 1
            self._finish(batch)
        self._model.num_update += 1

    def _finish(self, batch: DataBatch) -> None:
        """What follows when all gradients are on their way.

        The exchange of weights goes on while metrics and states are handed in; the first `wait` ends it, and
        `_batch_metric.end` waits for the sums, which travel in the second store.
        """
        # Before the first wait, so that they travel while the servers are still updating.
        self._shared_states.average()
        self._batch_metric.begin(self._compared.of(batch), self.executor.outputs if self.executor else [])
        self.store.wait()
        self._batch_metric.end()

    def _announce_zeros(self) -> None:
        """Announce gradients of zero: the servers wait for every worker, with rows or without."""
        for name, array in self._pulled.items():
            self._exchange.announce(name, np.zeros_like(array))
        for lookup in self._lookups:
            self._exchange.announce(lookup.rows, np.zeros((0, lookup.op.output_dim), np.float32))

    def _compute(self, executor: StepExecutor, batch: DataBatch) -> None:
        """Forward and backward of this worker's rows, their gradients announced as they become final."""
        names = self._setup.names
        self._look_up(executor, batch)
        feed(executor, names, batch, self._shares.rows)
        if executor.counts_labels:
            # Losses that divide by the number of labels need the whole batch's, of which the executor has a share.
            executor.count_over(whole_labels(names, batch))
        executor.forward_backward(self._exchange.announce, self._shares.position(self._model.num_update))

    def _look_up(self, executor: StepExecutor, batch: DataBatch) -> None:
        """Fetch the rows of tables that this step's examples need."""
        if not self._lookups:
            return
        data, (first, last) = dict(zip(self._setup.names.data, batch.data, strict=True)), self._shares.rows
        for lookup in self._lookups:
            lookup.fetch(self.store, executor, data[lookup.data][first:last], self._shares.first_row)
