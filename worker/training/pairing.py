"""Which label goes with which output of a network, and what a metric has to know of the two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...common.errors import ParameterError, ShapeError
from ...common.suggestion import suggestion
from ..array import Array, Shape
from ..data.data_iter import DataIter
from ..execution.executor import Executor
from ..graphs.example_axis import ExampleAxis, example_axes
from ..graphs.graph import Graph
from ..graphs.node import Entry, Node
from ..ops.operator import Operator
from ..ops.regression_output import LogisticRegressionOutput
from ..ops.softmax_output import SoftmaxOutput
from .feeding import InputNames, input_shapes
from .metrics.base import Head, Metric
from .metrics.class_metric import regrouped

Label = tuple[str, Graph | None]  # a label argument, and the graph that computes what the loss reads, if one does


@dataclass(frozen=True)
class Pair:
    """Output number `output` of the network, of `shape`, and the argument `label` that its loss compares it with.

    A loss that is compared with nothing, such as a MakeLoss of the data alone, stands beside the first data argument,
    and its head names no label. `computed` is the graph from that argument to what the loss reads; None if that is the
    argument itself, in whichever shape. `examples` tells where the output has its examples.
    """

    label: str
    output: int
    head: Head
    computed: Graph | None
    shape: Shape
    examples: ExampleAxis | None


class Pairing:
    """The pairs of one network. Outputs that are no loss and go with no label, as features do, are not among them."""

    def __init__(self, symbol: Graph, names: InputNames, iterator: DataIter, rows: int) -> None:
        """Shapes are those for `rows` examples. Raises what inferring them does, and ShapeError if an output's label
        would be read in another order than the iterator's.
        """
        inputs = input_shapes(symbol, iterator, names, rows)
        shapes, axes = symbol.infer_all(**inputs), example_axes(symbol, inputs)
        self.pairs: list[Pair] = []
        for index, (entry, name) in enumerate(zip(symbol.heads, symbol.list_outputs(), strict=True)):
            op = loss_of(entry)
            found = _label_of(symbol, entry, names)
            if found is not None:
                head = Head(name, found[0], *_reading(op))
                self.pairs.append(Pair(found[0], index, head, found[1], shapes[entry], axes[index]))
            elif op is not None and op.is_loss:
                self.pairs.append(Pair(names.data[0], index, Head(name, None), None, shapes[entry], axes[index]))
        self.heads = [pair.head for pair in self.pairs]
        self.compared = {pair.label for pair in self.pairs}  # the inputs that `labels` reads
        self._outputs, self._labels = symbol.list_outputs(), (*names.label, *names.data)
        self._executors: dict[tuple[Graph, Shape], Executor] = {}
        provided = zip(names.label, iterator.provide_label, strict=False)
        given = {name: (rows, *shape[1:]) for name, (_, shape) in provided}
        for entry, pair in ((symbol.heads[pair.output], pair) for pair in self.pairs):
            _check_order(entry, pair, given)

    def check_names(self, metric: Metric) -> None:
        """Raise ParameterError if the metric is to count an output or a label that there is not."""
        for leaf in metric.leaves():
            for kind, wanted, known in (
                ("output_names", leaf.output_names, self._outputs), ("label_names", leaf.label_names, self._labels),
            ):  # fmt: skip
                for name in wanted or ():
                    if name not in known:
                        raise ParameterError(f"metric {leaf.name}: {kind}: no {name!r}{suggestion(name, known)}")

    def outputs(self, outputs: Sequence[Array]) -> list[Array]:
        """Those of the network's outputs that have labels, in the order of `pairs`."""
        return [outputs[pair.output] for pair in self.pairs]

    def labels(self, inputs: Mapping[str, Array], metric: Metric) -> list[Array]:
        """The label of each pair for that metric, from arrays (rows, ...) of the network's inputs by name.

        Built-in metrics compare what the loss does, custom ones see what the iterator yields.
        """
        return [self._label(pair, inputs[pair.label], metric.sums) for pair in self.pairs]

    def _label(self, pair: Pair, array: Array, computed: bool) -> Array:
        if pair.computed is None or not computed:
            return array
        key = pair.computed, array.shape
        if key not in self._executors:
            self._executors[key] = Executor.simple_bind(pair.computed, "null", **{pair.label: array.shape})
        # A copy, as the next batch is computed in the same memory.
        return self._executors[key].forward(False, **{pair.label: array})[0].copy()


def loss_of(entry: Entry) -> Operator | None:
    """The operator whose output this is, below BlockGrad and the like; None for a variable."""
    return _source(entry).op


def _source(entry: Entry) -> Node:
    node = entry[0]
    while node.op is not None and node.op.op_name() in ("BlockGrad", "_copy"):
        node = node.inputs[0][0]
    return node


def _slot(entry: Entry) -> Entry | None:
    """What the loss at that output reads as its label; None if it has no such input."""
    node = _source(entry)
    names = () if node.op is None else node.op.arguments()
    return node.inputs[names.index("label")] if "label" in names else None


def _label_of(symbol: Graph, entry: Entry, names: InputNames) -> Label | None:
    """The label of an output; None if none leads to it."""
    slot = _slot(entry)
    source = symbol.with_heads((slot or entry,))
    arguments = source.list_arguments()
    # An autoencoder's label is its data. Data behind an output that has no input for a label are none.
    known = (*names.label, *(names.data if slot is not None and _only_views(slot) else ()))
    label = next((name for name in known if name in arguments), None)
    if label is None:
        return None
    return label, source if slot is not None and arguments == [label] and not _only_views(slot) else None


def _reading(op: Operator | None) -> tuple[Any, float | None]:
    """How a loss of classes reads its output, and the label that it ignores; None if it does neither."""
    if isinstance(op, LogisticRegressionOutput):
        return _yes_or_no, None
    if not isinstance(op, SoftmaxOutput):
        return None, None
    return op.rows, float(op.ignore_label) if op.use_ignore else None


def _yes_or_no(array: Array) -> Array:
    """Numbers that each stand for themselves, (rows, ...), as (rows, 1, positions)."""
    return array.reshape(array.shape[0], 1, math.prod(array.shape[1:]))


def _only_views(entry: Entry) -> bool:
    """Whether only reshaping lies between a variable and that entry."""
    node = entry[0]
    while node.op is not None and node.op.is_view:
        node = node.inputs[0][0]
    return node.op is None


def _check_order(entry: Entry, pair: Pair, given: Mapping[str, Shape]) -> None:
    """ShapeError if the label has the right number of elements, but not in the order of the output's.

    A label (N, 6, 4) would otherwise be read as one of (N, 4, 6). `given` are the shapes of the iterator's labels.
    """
    slot, op, shape = _slot(entry), loss_of(entry), pair.shape
    if slot is None or slot[0].op is not None or pair.label not in given:
        return  # what the graph itself does with a label is as its author wants it
    expected = shape
    if isinstance(op, SoftmaxOutput) and given[pair.label] != shape:
        expected = op.label_shape(shape)
    # Another number of elements is found out when the first batch is fed.
    if math.prod(given[pair.label]) == math.prod(expected) and not regrouped(given[pair.label], expected):
        raise ShapeError(
            f"label {pair.label} of output {pair.head.output} {shape}", expected=f"shape {expected}",
            got=given[pair.label],
        )  # fmt: skip
