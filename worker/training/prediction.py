"""Using a trained network: predictions, and metrics over evaluation data, which the workers share out."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.errors import ParameterError, ShapeError
from ...common.slices import share
from ..array import Array, Shape
from ..compute_threads import thread_count
from ..data.iterators import DataBatch, DataIter
from ..devices.placement import Placement
from ..execution.choose_executor import bind_share
from ..execution.executor_base import StepExecutor
from ..graphs.batch_norm_folding import fold_batch_norms
from ..graphs.graph import Graph
from ..graphs.optional_inputs import without_labels, zero_states
from ..store.session import Session
from .feeding import InputNames, feed, input_shapes
from .given_parameters import check_complete
from .metrics.base import Metric


class SpareExecutor:
    """Keeps at most one executor for the next use, since binding one costs more than a small prediction.

    Whoever takes it owns it until it is put back, so that threads do not share one. A copy (also by pickle) starts
    empty: an executor's arrays are views of common buffers, which copying would take apart.
    """

    def __init__(self) -> None:
        # A list, whose `pop` and slice assignment are atomic: two threads never get the same executor, without a lock.
        self._kept: list[tuple[Graph, Hashable, StepExecutor]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return SpareExecutor, ()

    def take(self, symbol: Graph, form: Hashable) -> StepExecutor | None:
        """The executor that was put back for this very symbol and an equal `form`; None if there is none."""
        try:
            kept, known, executor = self._kept.pop()
        except IndexError:
            return None
        return executor if kept is symbol and known == form else None

    def put_back(self, symbol: Graph, form: Hashable, executor: StepExecutor) -> None:
        """Keep `executor` instead of the one that was kept before."""
        self._kept[:] = [(symbol, form, executor)]


@dataclass(frozen=True)
class Learned:
    """A network with its parameters and states by name, each of its shape, and an executor kept from its last use."""

    symbol: Graph
    placement: Placement
    arguments: Mapping[str, Array]
    states: Mapping[str, Array]
    spare: SpareExecutor
    precision: str = "float32"

    def checksum(self) -> int:
        """One number for all parameters and states, to compare them by."""
        found = 0
        for _, array in sorted({**self.arguments, **self.states}.items()):
            found = zlib.crc32(np.ascontiguousarray(array).data.cast("B") if array.size else b"", found)
        return found

    @contextmanager
    def bound(self, iterator: DataIter, names: InputNames, rows: int, labelled: bool) -> Iterator[StepExecutor]:
        """An executor without gradients for `rows` examples, its batch cut over this process's threads; if not
        `labelled`, without the labels of losses.

        Holds the current parameters. Raises ParameterError if some are missing, ShapeError if they do not fit the
        iterator's data, DeviceError if a device cannot be used.
        """
        whole = self.symbol if labelled else without_labels(self.symbol)
        self._check_complete(whole, names)
        threads, shapes = thread_count(), input_shapes(whole, iterator, names, rows)
        symbol, arguments, states = fold_batch_norms(whole, self.arguments, self.states)
        # All that an executor depends on but for the values: these are copied in each time, as they may have changed.
        form = (
            labelled,
            names.label,
            threads,
            self.placement,
            self.precision,
            tuple(shapes.items()),
            frozenset(arguments),
            frozenset(states),
        )
        executor = self.spare.take(self.symbol, form)
        if executor is None:
            self._check_fit(shapes)
            parts = [share(rows, i, threads) for i in range(threads)]
            executor = bind_share(symbol, self.placement, "null", parts, shapes, precision=self.precision)
        known = {name: array for name, array in arguments.items() if name in executor.arg_dict}
        executor.copy_params_from(known, states)
        yield executor
        # Not reached after an error: what it was doing is unknown then, and the next use binds another.
        self.spare.put_back(self.symbol, form, executor)

    def _check_complete(self, symbol: Graph, names: InputNames) -> None:
        """ParameterError that names the parameters and states of `symbol` which have no value: zeros would pass for
        trained ones.
        """
        free = {*names.data, *names.label, *zero_states(symbol)}
        learned = [name for name in symbol.list_arguments() if name not in free and not name.endswith("label")]
        if learned and not self.arguments:
            raise ParameterError("the model has no parameters yet", remedy="Train it with fit, or load it.")
        for what, needed, given in (
            ("arg_params", learned, self.arguments),
            ("aux_params", symbol.list_auxiliary_states(), self.states),
        ):
            check_complete(what, needed, given, self.symbol.list_inputs())

    def _check_fit(self, inputs: Mapping[str, Shape]) -> None:
        """ShapeError unless the parameters fit data of these shapes.

        Binding would find the same, but name a parameter, where it is the data that are wrong.
        """
        arguments = self.symbol.list_arguments()
        known = {name: array.shape for name, array in self.arguments.items() if name in arguments}
        try:
            self.symbol.infer_shape_partial(**{**known, **inputs})
        except ShapeError as error:
            listed = ", ".join(f"{name} of shape {shape}" for name, shape in inputs.items())
            raise ShapeError(f"the network was not trained on data such as {listed}: {error}") from None


def predict(learned: Learned, iterator: DataIter) -> list[Array]:
    """The network's outputs for every example, each (examples, ...), fillers of the last batch left out.

    Raises ShapeError, DataError or GraphError if the data do not fit the network.
    """
    names = InputNames.match(learned.symbol, iterator, labelled=False)
    with learned.bound(iterator, names, iterator.batch_size, labelled=False) as executor:
        # No rows of each output to begin with, so that an iterator without batches gives arrays of the right shape.
        parts: list[list[Array]] = [[output[:0].copy()] for output in executor.outputs]
        for batch in iterator:
            feed(executor, names, batch, (0, iterator.batch_size))
            executor.forward(is_train=False)
            keep = _valid(batch, iterator)
            for kept, output in zip(parts, executor.outputs, strict=True):
                kept.append(output[:keep].copy())  # the next batch is computed in the same memory
    return [np.concatenate(kept) for kept in parts]


def evaluate(learned: Learned, iterator: DataIter, metric: Metric, session: Session, what: str) -> None:
    """Count every batch of `iterator` in `metric`; built-in metrics are computed by all workers, each on its rows.

    An iterator over a part of the data (`num_parts` above 1) yields a worker's own rows, all of which count. Every
    worker calls it after `agree_on_evaluation`, with as many batches, and waits for all others; `what` is the call's
    name for those who wait in another one. Raises what `predict` does, and DataError if labels are missing.
    """
    names = InputNames.match(learned.symbol, iterator)
    # A custom metric cannot be put together from parts of a batch, so each worker computes all rows for itself.
    alone = session.num_workers == 1 or not all(leaf.sums for leaf in metric.leaves())
    whole = alone or getattr(iterator, "num_parts", 1) > 1
    rows = (0, iterator.batch_size) if whole else share(iterator.batch_size, session.rank, session.num_workers)
    found: list[Array] = []
    # A worker without rows has no executor, but must take part in the gather: its statistics are zeros.
    size = rows[1] - rows[0]
    with learned.bound(iterator, names, size, labelled=True) if size else nullcontext() as executor:
        for batch in iterator:
            labels, outputs = _rows_of(executor, names, batch, rows, _valid(batch, iterator))
            if alone:
                metric.update(labels, outputs)
            else:
                found.append(_statistics(metric, labels, outputs))
    if not alone:
        _count(metric, found, session, what)


def _rows_of(
    executor: StepExecutor | None, names: InputNames, batch: DataBatch, rows: tuple[int, int], valid: int
) -> tuple[list[Array], list[Array]]:
    """Labels and outputs of this worker's rows of the batch, fillers left out."""
    if executor is None:
        return [], []
    feed(executor, names, batch, rows)
    executor.forward(is_train=False)
    keep = max(0, min(rows[1], valid) - rows[0])  # fillers are the batch's last rows, perhaps all of this worker's
    labels = [label[rows[0] : rows[0] + keep] for label in batch.label]
    return labels, [output[:keep] for output in executor.outputs[: len(labels)]]


def _statistics(metric: Metric, labels: list[Array], outputs: list[Array]) -> Array:
    """The statistics of all leaves, one after the other; zeros where this worker has no row."""
    has_rows = bool(labels) and len(labels[0]) > 0
    parts = [leaf.statistics(labels, outputs) if has_rows else np.zeros(leaf.count) for leaf in metric.leaves()]
    return np.concatenate(parts)


def _count(metric: Metric, found: list[Array], session: Session, what: str) -> None:
    """Count the batches in `metric`, of which all workers together have `found` the statistics, (count,) per batch.

    One gather for all batches, at the end. The sum is in the order of ranks, and so has the same bits on all of them.
    """
    everyone = session.gather(np.asarray(found, np.float64).tobytes(), what)
    width = sum(leaf.count for leaf in metric.leaves())
    total = np.sum([np.frombuffer(one, np.float64).reshape(-1, width) for one in everyone], axis=0)
    for row in total:
        start = 0
        for leaf in metric.leaves():
            leaf.add(leaf.value(row[start : start + leaf.count]))
            start += leaf.count


def _valid(batch: DataBatch, iterator: DataIter) -> int:
    """How many of the batch's rows are examples; the others, at its end, are fillers."""
    return iterator.batch_size - (batch.pad or 0)
