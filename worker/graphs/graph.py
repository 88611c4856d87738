"""Graph: what executors, files and pictures need to know of a network.

`mx.sym`'s Symbol is a Graph that can also be composed, bound and saved.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Self

from ...common.errors import GraphError
from ..array import Shape
from ..ops.operator import PartialShape
from . import shape_inference
from .naming import both_spellings
from .node import Entry, Node, postorder
from .shape_inference import Shapes

Inferred = tuple[list[PartialShape] | None, list[PartialShape] | None, list[PartialShape] | None]

MOST_INFERRED = 16  # answers that a graph keeps: those for the whole batch, for slices and for a single row, say


class Graph:
    """One or more outputs (`heads`) of connected nodes. Immutable, so graphs may share nodes."""

    __slots__ = ("_inferred", "_nodes", "_read_as_states", "heads")

    def __init__(self, heads: tuple[Entry, ...]) -> None:
        self.heads = heads
        self._nodes: tuple[Node, ...] | None = None
        self._read_as_states: frozenset[Node] | None = None
        self._inferred: dict[Hashable, Shapes] = {}  # by the shapes that were given

    def with_heads(self, heads: tuple[Entry, ...]) -> Self:
        """A graph of the same class with other outputs."""
        return type(self)(heads)

    @property
    def name(self) -> str | None:
        """The name of the node whose outputs these are; None for a group of several nodes."""
        names = {node.name for node, _ in self.heads}
        return names.pop() if len(names) == 1 else None

    def nodes(self) -> list[Node]:
        """All nodes, inputs before users (depth first, as MXNet orders them)."""
        if self._nodes is None:  # walked once: every list of names asks for it
            self._nodes = tuple(postorder(self.heads))
        return list(self._nodes)

    def list_arguments(self) -> list[str]:
        """Names of the variables that are inputs or learned, in order."""
        states = self._states()
        return [node.name for node in self.nodes() if node.op is None and node not in states]

    def list_auxiliary_states(self) -> list[str]:
        """Names of the variables that operators update themselves, such as moving averages."""
        states = self._states()
        return [node.name for node in self.nodes() if node in states]

    def list_inputs(self) -> list[str]:
        """Names of all variables."""
        return [node.name for node in self.nodes() if node.op is None]

    def list_outputs(self) -> list[str]:
        """Names of the outputs: `fc1_output`, or a variable's own name."""
        return [node.output_names()[index] for node, index in self.heads]

    def _states(self) -> frozenset[Node]:
        # What makes a variable a state is the slot of the operator that reads it; the variable itself does not say.
        if self._read_as_states is None:
            self._read_as_states = frozenset(entry[0] for node in self.nodes() for entry in node.auxiliaries())
        return self._read_as_states

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """Parameters and attributes of every node that has any, by node name."""
        return {node.name: found for node in self.nodes() if (found := attributes(node))}

    def infer_shape_partial(self, *args: Shape, **shapes: Shape) -> Inferred:
        """Shapes of arguments, outputs and auxiliary states, as far as they follow from those that are given, by name
        or in the order of arguments: None is an unknown shape, 0 an unknown extent.

        Raises GraphError for an unknown name, too many shapes or two variables of one name; ShapeError, naming the
        node, if shapes contradict each other.
        """
        arguments = self.list_arguments()
        if len(args) > len(arguments):
            raise GraphError("infer_shape: shapes by position", expected=f"at most {len(arguments)}", got=len(args))
        given = {**dict(zip(arguments, args, strict=False)), **shapes}
        found = self._infer(given)
        by_name = {node.name: shape for (node, _), shape in found.items() if node.op is None}
        return (
            [by_name[name] for name in arguments],
            [found[head] for head in self.heads],
            [by_name[name] for name in self.list_auxiliary_states()],
        )

    def infer_all(self, **shapes: Shape) -> dict[Entry, Shape]:
        """The shape of every entry of the graph, from those of variables by name.

        Raises GraphError that names the variables whose shape stays unknown, or for an unknown name; ShapeError, naming
        the node, if shapes contradict each other.
        """
        return shape_inference.complete(self._infer(shapes))

    def _infer(self, given: Mapping[str, Shape]) -> Shapes:
        """What follows from `given` for every entry; binding asks for the same several times, and is told at once."""
        key = tuple(given.items())
        try:
            known = self._inferred.get(key)
        except TypeError:  # lists, which may have changed when they come again
            return shape_inference.infer_partial(self.nodes(), given)
        if known is None:
            known = shape_inference.infer_partial(self.nodes(), given)
            for old in list(self._inferred)[: 1 - MOST_INFERRED]:
                self._inferred.pop(old, None)
            self._inferred[key] = known
        return known


def attributes(node: Node) -> dict[str, str]:
    """Parameters and attributes of `node` as strings; attributes such as `__lr_mult__` also without underscores."""
    return both_spellings({**node.parameters(), **node.attrs})
