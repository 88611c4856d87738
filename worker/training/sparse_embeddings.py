"""Embeddings with `sparse_grad=True` in training: the table stays in the store, and its rows travel as they are needed.

In place of the Embedding the executor has an input with the rows that its examples look up, and the gradient of that
input is what is pushed, by rows. So a step costs what its rows cost, however long the table is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...common.slices import tree_reduce
from ...ps.row_sparse import RowGradient, merged, summed_rows
from ..array import Array, Shape
from ..graphs.graph import Graph
from ..graphs.node import Entry, Node, rebuilt
from ..ops.embedding import Embedding, whole_numbers
from ..ops.operator import Step

if TYPE_CHECKING:
    from ..execution.executor_base import StepExecutor
    from ..store.kvstore import KVStore


@dataclass
class Lookup:
    """One such Embedding: `weight` names its table, `data` the ids, `rows` the input that takes its place.

    The table is (input_dim, output_dim), float32. `fetch` sets `ids` before a step begins; a compute thread reads them
    in `gradient` when the input's gradient is final.
    """

    node: Node
    op: Embedding
    weight: str
    data: str
    rows: str
    ids: Array | None = None  # int64, of the batch under way: (rows of this worker, ...)

    def shape(self, data: Shape) -> Shape:
        """The shape of `rows`, (*data, output_dim), for ids of shape `data`."""
        return (*data, int(self.op.output_dim))

    def fetch(self, store: KVStore, executor: StepExecutor, ids: Array, first_row: int) -> None:
        """Copy the rows that `ids` (rows of this worker, ...) name from the store into the executor's input.

        `first_row`: the place of the first in the global batch, for messages. Raises DataError if an id is not a whole
        number in the table.
        """
        step = Step(first_row=first_row)
        self.ids = whole_numbers(step, ids, self.op.input_dim, f"Embedding: {self.data}")
        target = executor.arg_dict[self.rows]
        # The store fetches a row once, however often the batch has its id.
        store.row_sparse_pull(self.weight, out=target.reshape(-1, target.shape[-1]), row_ids=self.ids)

    def gradient(self, of_rows: Array, slices: Sequence[tuple[int, int]]) -> RowGradient:
        """The table's gradient from that of `rows`, (rows of this worker, ..., output_dim).

        Summed like every gradient, first within each of `slices` and then over them as a tree, for the same bits on
        any number of workers.
        """
        # A worker without rows never fetches, and pushes no rows: it takes part in the step all the same.
        ids = np.empty(0, np.int64) if self.ids is None else self.ids
        width = of_rows.shape[-1]
        parts = [
            summed_rows(ids[first:last].reshape(-1), of_rows[first:last].reshape(-1, width)) for first, last in slices
        ]
        found: RowGradient = tree_reduce(parts, merged)
        return found


def find_lookups(symbol: Graph, data: Collection[str], learned: Collection[str]) -> list[Lookup]:
    """The Embeddings with sparse_grad that can be looked up: ids from an input in `data`, a table in `learned`.

    A table that anything else reads, or that is an output of the network, is learned whole.
    """
    readers: Counter[Entry] = Counter(entry for node in symbol.nodes() for entry in node.inputs)
    readers.update(symbol.heads)  # who reads an output reads it, too
    found = []
    for node in symbol.nodes():
        op: Any = node.op
        if isinstance(op, Embedding) and op.sparse_grad:
            (ids, _), (table, _) = node.inputs
            if ids.op is None and ids.name in data and table.name in learned and readers[node.inputs[1]] == 1:
                found.append(Lookup(node, op, table.name, ids.name, f"{table.name}_rows"))
    return found


def without_tables(symbol: Graph, lookups: Sequence[Lookup]) -> Graph:
    """The graph with an input named `rows` in place of each of these Embeddings."""
    taken = {lookup.node: lookup.rows for lookup in lookups}

    def change(node: Node) -> Node:
        return Node(None, taken[node]) if node in taken else node

    return symbol.with_heads(rebuilt(symbol.heads, change)) if lookups else symbol


def shapes_without_tables(symbol: Graph, lookups: Sequence[Lookup], inputs: Mapping[str, Shape]) -> dict[str, Shape]:
    """The input shapes by name of the graph `symbol` that `without_tables` made, from those of the whole graph."""
    # Ids are no input of it any more, unless something else reads them, too.
    kept = {name: shape for name, shape in inputs.items() if name in symbol.list_arguments()}
    return kept | {lookup.rows: lookup.shape(inputs[lookup.data]) for lookup in lookups}
