"""What the programs of all slices have in common, and what each is given of the whole batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..array import Array
from ..graphs.graph import Graph
from ..graphs.node import Entry, Node
from .backend import HOST, Backend
from .backward_plan import BackwardPlan
from .buffers import last_uses


class Outline:
    """What all slices of a graph have in common: which nodes run as one, and in which order gradients are made."""

    def __init__(
        self, symbol: Graph, wanted: Mapping[str, Array], dtype: np.dtype[np.floating], backend: Backend = HOST
    ) -> None:
        """`wanted`: the arguments that want a gradient, by name; `dtype`: of all arrays."""
        self.heads = list(symbol.heads)
        nodes = symbol.nodes()
        self.dtype, self.backend = dtype, backend
        self.variables: list[Node] = [node for node in nodes if node.op is None]
        self.groups = backend.fuse(nodes, self.heads, dtype, trains=bool(wanted))
        self.arguments: dict[Entry, str] = {(n, 0): n.name for n in self.variables if n.name in wanted}
        self.plan = BackwardPlan(self.groups, self.heads, self.arguments)
        # Backward reads inputs and outputs of nearly every node, so their memory is only used again if there is none.
        self.last_uses = [[] for _ in self.groups] if wanted else last_uses(self.groups, self.heads)


@dataclass(frozen=True)
class Common:
    """One slice's rows of the arrays that belong to the whole batch: what nodes that couple rows read and write.

    All are views, so that a slice writes straight into what such a node will read.
    """

    nodes: frozenset[Node] = frozenset()  # computed by a Meeting, on the whole batch; no call of the program
    values: Mapping[Entry, Array] | None = None
    gradients: Mapping[Entry, Array] | None = None
