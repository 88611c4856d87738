"""Inputs that a network can do without: labels when it only predicts, and first states that begin at zero."""

from __future__ import annotations

from .graph import Graph
from .node import Entry, Node


def without_labels(symbol: Graph) -> Graph:
    """The same outputs, with a variable in place of every label, however it is computed: forward does not read it.

    So predictions need no label, and labels whose shape follows from nothing else, as before a Reshape, no shape.
    """
    made: dict[Entry, Entry] = {}
    for node in symbol.nodes():
        if node.op is None:
            made[node, 0] = node, 0
            continue
        slots = [*node.op.arguments(), *node.op.auxiliaries()]
        inputs = tuple(
            # A name of its own: the label's may still be there, if something else reads it, too.
            (Node(None, f"_{node.name}_{slot}"), 0) if slot in node.op.backward_only else made[entry]
            for slot, entry in zip(slots, node.inputs, strict=True)
        )
        copy = node if inputs == node.inputs else Node(node.op, node.name, node.attrs, inputs)
        made.update({(node, index): (copy, index) for index in range(len(node.op.outputs()))})
    return symbol.with_heads(tuple(made[head] for head in symbol.heads))


def zero_states(symbol: Graph) -> set[str]:
    """The variables that are zero where nobody gives them, such as the first state of an RNN.

    One with an initializer of its own is a parameter like others.
    """
    inputs = [
        (entry[0], slot in node.op.zero_by_default)
        for node in symbol.nodes()
        if node.op is not None
        for slot, entry in zip(node.op.arguments(), node.inputs, strict=False)
        if entry[0].op is None
    ]
    elsewhere = {variable for variable, may_be_zero in inputs if not may_be_zero}
    return {variable.name for variable, _ in inputs if variable not in elsewhere and "__init__" not in variable.attrs}
