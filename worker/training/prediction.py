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
from .. import random
from ..array import Array, Shape
from ..compute_threads import thread_count
from ..data.contract import batches
from ..data.data_iter import DataBatch, DataIter
from ..devices.placement import Placement
from ..execution.choose_executor import bind_share
from ..execution.executor_base import StepExecutor
from ..execution.slice_layout import gains_by_threads
from ..graphs.batch_norm_folding import FoldedLayer, fold_batch_norms
from ..graphs.graph import Graph
from ..graphs.old_models import pooling_note
from ..graphs.optional_inputs import without_labels, zero_states
from ..ops.batch_position import BatchPosition
from ..store.session import Session
from .evaluation import Collected, Evaluation, taken
from .feeding import InputNames, channels_hint, chosen, feed, input_shapes
from .folded_parameters import write_folded
from .given_parameters import check_complete
from .metrics.base import Metric
from .pairing import Pairing


@dataclass(frozen=True)
class Bound:
    """An executor for a network's outputs, and those of its layers that do a BatchNorm's work as well."""

    executor: StepExecutor
    folded: list[FoldedLayer]

    def take_values(self, arguments: Mapping[str, Array], states: Mapping[str, Array]) -> None:
        """Have these values of the network's parameters and states. Raises ShapeError if they do not fit."""
        executor = self.executor
        write_folded(self.folded, arguments, states, executor.arg_dict)
        written = {name for layer in self.folded for name in (layer.weight, layer.bias)}
        others = {name: array for name, array in arguments.items() if name in executor.arg_dict and name not in written}
        executor.copy_params_from(others, {name: states[name] for name in executor.aux_dict})


class SpareExecutor:
    """Keeps at most one executor for the next use, since binding one costs more than a small prediction.

    Whoever takes it owns it until it is put back, so that threads do not share one. A copy (also by pickle) starts
    empty: an executor's arrays are views of common buffers, which copying would take apart.
    """

    def __init__(self) -> None:
        # A list, whose `pop` and slice assignment are atomic: two threads never get the same executor, without a lock.
        self._kept: list[tuple[Graph, Hashable, Bound]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return SpareExecutor, ()

    def take(self, symbol: Graph, form: Hashable) -> Bound | None:
        """The executor that was put back for this very symbol and an equal `form`; None if there is none."""
        try:
            kept, known, bound = self._kept.pop()
        except IndexError:
            return None
        return bound if kept is symbol and known == form else None

    def put_back(self, symbol: Graph, form: Hashable, bound: Bound) -> None:
        """Keep `bound` instead of the one that was kept before."""
        self._kept[:] = [(symbol, form, bound)]


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
        threads = thread_count()
        # All that binding depends on. The values are copied in each time, as they may have changed, in place, too.
        form = (
            labelled,
            names,  # what is fed, and else left over from another use
            tuple((name, tuple(shape)) for name, shape in (*iterator.provide_data, *iterator.provide_label)),
            rows,
            threads,
            self.placement,
            self.precision,
            frozenset(self.arguments),
            frozenset(self.states),
        )
        bound = self.spare.take(self.symbol, form) or self._bind(iterator, names, rows, labelled, threads)
        bound.take_values(self.arguments, self.states)
        with bound.executor.parameters_stay():
            yield bound.executor
        # Not reached after an error: what it was doing is unknown then, and the next use binds another.
        self.spare.put_back(self.symbol, form, bound)

    def _bind(self, iterator: DataIter, names: InputNames, rows: int, labelled: bool, threads: int) -> Bound:
        whole = self.symbol if labelled else without_labels(self.symbol)
        self._check_complete(whole, names)
        shapes = input_shapes(whole, iterator, names, rows)
        symbol, folded = fold_batch_norms(whole, {*self.arguments, *self.states})
        self._check_fit(shapes)
        # Without gradients, slices are for threads alone.
        count = threads if self.placement.gpus or gains_by_threads(symbol, shapes) else 1
        parts = [share(rows, i, count) for i in range(count)]
        executor = bind_share(symbol, self.placement, "null", parts, shapes, precision=self.precision)
        return Bound(executor, folded)

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
            text = f"the network was not trained on data such as {listed}: {error}"
            raise ShapeError(text, remedy=channels_hint(inputs) or pooling_note(self.symbol)) from None


def predict(learned: Learned, iterator: DataIter) -> list[Array]:
    """The network's outputs for every example of the iterator, from its beginning; fillers are left out.

    Each is what the network would give for all examples in one batch: mostly (examples, ...), with SwapAxis perhaps
    (..., examples, ...). An output that has no axis of examples, such as a mean over the batch, is there once for each
    batch, along its axis 0. Raises ShapeError, DataError or GraphError if the data do not fit the network.
    """
    names = InputNames.match(learned.symbol, iterator, labelled=False)
    iterator.hard_reset()
    size = iterator.batch_size
    with learned.bound(iterator, names, size, labelled=False) as executor:
        axes = executor.example_axes((*names.data, *names.label))

        def first(keep: int) -> list[Array]:
            return [taken(axis, output, size, keep) for axis, output in zip(axes, executor.outputs, strict=True)]

        empty = first(0)  # for an iterator without batches
        found = Collected(axes)
        for batch in batches(iterator, labelled=False):
            _forward(executor, names, batch, (0, size), size)
            keep = _valid(batch, iterator)
            found.add(first(keep), keep)
    return found.joined() if found.batches else empty


def evaluate(learned: Learned, iterator: DataIter, metric: Metric, session: Session, what: str) -> None:
    """Leave in `metric` its value over all examples of `iterator`, from its beginning; fillers do not count.

    The workers share out every batch, except for a custom metric, for which each computes all rows. Of an iterator over
    a part of the data (`num_parts` above 1) each computes its own rows, and the metric counts those of all. Every
    worker calls it after `agree_on_evaluation` and waits for all others; `what` is the call's name for those who wait
    in another one. All end with the same value. Raises what `predict` does, and DataError if labels are missing.
    """
    names = InputNames.match(learned.symbol, iterator)
    iterator.hard_reset()
    size, sharded = iterator.batch_size, getattr(iterator, "num_parts", 1) > 1
    alone = session.num_workers == 1 or not (sharded or all(leaf.sums for leaf in metric.leaves()))
    rows = (0, size) if alone or sharded else share(size, session.rank, session.num_workers)
    pairing = Pairing(learned.symbol, names, iterator, size)
    pairing.check_names(metric)
    found = Evaluation(metric, pairing)
    # A worker without rows has no executor, but must take part in the gather: its statistics are zeros.
    mine = rows[1] - rows[0]
    with learned.bound(iterator, names, mine, labelled=True) if mine else nullcontext() as executor:
        for batch in batches(iterator):
            keep = max(0, min(rows[1], _valid(batch, iterator)) - rows[0])  # fillers are the batch's last rows
            _forward(executor, names, batch, rows, size)
            if executor is not None and keep:
                given = chosen(names, batch, pairing.compared)
                inputs = {name: array[rows[0] : rows[0] + keep] for name, array in given.items()}
                found.add(inputs, executor.outputs, mine, keep)
    found.count(None if alone else session, what)


def _forward(
    executor: StepExecutor | None, names: InputNames, batch: DataBatch, rows: tuple[int, int], size: int
) -> None:
    """Compute the outputs of those rows of a batch of `size`; without rows there is no executor, and nothing to do."""
    # Counted by every worker alike. What is random outside of training differs between batches, and between calls.
    at = BatchPosition(random.current_seed(), 0, random.next_prediction(), rows[0], size)
    if executor is not None:
        feed(executor, names, batch, rows)
        executor.compute(False, at)


def _valid(batch: DataBatch, iterator: DataIter) -> int:
    """How many of the batch's rows are examples; the others, at its end, are fillers."""
    return iterator.batch_size - batch.pad
