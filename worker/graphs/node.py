"""The nodes that symbols are made of, and the order in which a graph is walked."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from ...common.errors import GraphError
from ...common.suggestion import suggestion
from ..array import Array, Arrays
from ..ops.operator import Operator


# Without a generated __eq__, nodes hash by identity, so that entries are cheap keys. A generated __repr__ would print
# all nodes below.
@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Node:
    """A variable (`op` is None), or an operator applied to inputs. Immutable; two nodes are equal only if identical.

    `inputs` holds the operator's arguments and then its auxiliary states; `attrs` what the user attached, such as
    `__shape__` or `__lr_mult__` (the operator's parameters are in `op`).
    """

    op: Operator | None
    name: str
    attrs: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[Entry, ...] = ()

    def arguments(self) -> tuple[Entry, ...]:
        """The inputs without the auxiliary states."""
        return self.inputs if self.op is None else self.inputs[: len(self.op.arguments())]

    def auxiliaries(self) -> tuple[Entry, ...]:
        """The inputs that are auxiliary states."""
        return () if self.op is None else self.inputs[len(self.op.arguments()) :]

    def output_names(self) -> list[str]:
        """The names of the outputs: `fc1_output`, or the plain name of a variable."""
        return [self.name] if self.op is None else [f"{self.name}_{output}" for output in self.op.outputs()]

    def parameters(self) -> dict[str, str]:
        """The operator's parameters that were given, as strings."""
        return {} if self.op is None else self.op.attrs()

    def __repr__(self) -> str:
        return f"<Node {self.name} ({'variable' if self.op is None else self.op.op_name()})>"


Entry: TypeAlias = tuple[Node, int]  # output `int` of a node


def postorder(heads: Iterable[Entry]) -> list[Node]:
    """Every node below `heads` once, inputs before users, in MXNet's order (depth first, inputs from left to right).

    Without recursion, so that a graph may be deeper than Python's stack.
    """
    order: list[Node] = []
    seen: set[Node] = set()
    for head, _ in heads:
        stack = [(head, 0)]  # a node, and how many of its inputs have been visited
        while stack:
            node, position = stack.pop()
            if position == 0 and node in seen:  # with another position it is our own visit, which goes on
                continue
            seen.add(node)
            if position < len(node.inputs):
                stack.append((node, position + 1))
                stack.append((node.inputs[position][0], 0))
            else:
                order.append(node)
    return order


def substitute(heads: Iterable[Entry], replacements: Mapping[str, Entry]) -> tuple[Entry, ...]:
    """The same heads with each variable named in `replacements` replaced by that entry; only users of it are copied.

    Raises GraphError if there is no variable of such a name.
    """
    heads = tuple(heads)
    nodes = postorder(heads)
    names = [node.name for node in nodes if node.op is None]
    for name in sorted(replacements.keys() - set(names)):
        raise GraphError(f"no argument {name} to replace{suggestion(name, names)}")
    made: dict[Entry, Entry] = {}
    for node in nodes:
        if node.op is None:
            made[node, 0] = replacements.get(node.name, (node, 0))
            continue
        inputs = tuple(made[entry] for entry in node.inputs)
        same = all(new == old for new, old in zip(inputs, node.inputs, strict=True))
        copy = node if same else Node(node.op, node.name, node.attrs, inputs)  # what is not concerned stays shared
        made.update({(node, index): (copy, index) for index in range(len(node.op.outputs()))})
    return tuple(made[entry] for entry in heads)


def renamed(heads: Sequence[Entry], name: str) -> tuple[Entry, ...]:
    """The same heads, which are outputs of one node, of a node with another name. Raises GraphError for several nodes,
    or a name that is none.
    """
    if not isinstance(name, str) or not name:
        raise GraphError("name of a symbol", expected="a string that is not empty", got=repr(name))
    node = heads[0][0]
    if any(other is not node for other, _ in heads):
        raise GraphError(f"name {name!r} for a group of several nodes", remedy="Name its members when they are made.")
    copy = Node(node.op, name, node.attrs, node.inputs)
    return tuple((copy, index) for _, index in heads)


def rebuilt(heads: Iterable[Entry], change: Callable[[Node], Node]) -> tuple[Entry, ...]:
    """The same heads with every node replaced by what `change` makes of it: an operator may take its place with another
    operator or name, and its inputs are connected here. Variables have none.
    """
    heads = tuple(heads)
    made: dict[Node, Node] = {}
    for node in postorder(heads):
        new = change(node)
        inputs = () if new.op is None else tuple((made[source], index) for source, index in node.inputs)
        made[node] = new if inputs == new.inputs else Node(new.op, new.name, new.attrs, inputs)
    return tuple((made[node], index) for node, index in heads)


def counts_labels(op: Operator) -> bool:
    """Whether `op` is a loss that normalises by something it counts in its labels."""
    return op.counted(np.zeros(1, np.float32)) is not None  # any label will do: None is the answer of all others


def has_computed_label(node: Node) -> bool:
    """Whether the node is a loss that normalises by its labels where the graph computes these."""
    assert node.op is not None
    return counts_labels(node.op) and len(node.inputs) > 1 and node.inputs[1][0].op is not None


def computed_label(node: Node, inputs: Arrays) -> Array | None:
    """The one of `inputs`, in the order and shapes of the node's own, that has to be counted once it is computed; None
    if there is none.
    """
    return inputs[1] if has_computed_label(node) else None


def node_key(node: Node) -> int:
    """A number for the node that is the same in every process: the CRC-32 of its name."""
    return zlib.crc32(node.name.encode())  # not hash(), which differs between processes
