"""A network as a table of its layers: `mx.viz.print_summary`."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from ..array import Shape
from ..graphs.node import Entry, Node
from ..graphs.shape_inference import infer_partial
from ..ops.operator import PartialShape
from ..ops.shapes import known
from ..symbols.symbol import Symbol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Shapes = Mapping[Entry, PartialShape]
_TITLES = ("layer", "output shape", "parameters", "inputs")


def print_summary(symbol: Symbol, shape: Mapping[str, Shape] | None = None, console: Console | None = None) -> None:
    """Print a table of layers with output shape, number of parameters and inputs, and the totals.

    `shape` gives the shapes of inputs by name, such as {"data": (1, 1, 28, 28)}; what does not follow from it is left
    blank. Every variable that is neither in `shape` nor data or label by the end of its name counts as a parameter.
    Auxiliary states such as moving averages are counted separately. Raises ShapeError if shapes contradict the network.
    """
    if console is None:
        from rich.console import Console

        console = Console()
    console.print(summary(symbol, shape))


def summary(symbol: Symbol, shape: Mapping[str, Shape] | None = None) -> Table:
    """The table that `print_summary` prints, for rich; arguments and errors are the same."""
    from rich.markup import escape
    from rich.table import Column, Table

    given = dict(shape or {})
    nodes = symbol.nodes()
    shapes = infer_partial(nodes, given)
    held = held_variables(nodes, given)
    states = {entry[0] for node in nodes for entry in node.auxiliaries()}
    learned = held - states
    table = Table(*(Column(title, overflow="fold") for title in _TITLES), show_footer=True)
    table.columns[2].justify = "right"
    counted: set[Node] = set()  # a parameter that several layers share counts for the first of them
    for node in nodes:
        if node not in held:
            own = [entry for entry in dict.fromkeys(node.inputs) if entry[0] in learned and entry[0] not in counted]
            counted.update(entry[0] for entry in own)
            cells = (_layer(node), _outputs(node, shapes), _count(own, shapes), _sources(node, held))
            table.add_row(*map(escape, cells))
    table.columns[0].footer = "total"
    table.columns[2].footer = _count([(node, 0) for node in learned], shapes)
    if states and (number := _count([(node, 0) for node in states], shapes)):
        table.columns[3].footer = f"and {number} in auxiliary states"
    return table


def held_variables(nodes: Sequence[Node], given: Collection[str]) -> set[Node]:
    """The variables that are parameters or states: all but those in `given`, or named ...data or ...label."""
    variables = [node for node in nodes if node.op is None]
    return {node for node in variables if node.name not in given and not node.name.endswith(("data", "label"))}


def _layer(node: Node) -> str:
    """A node's name and, in parentheses, its operator."""
    return f"{node.name} ({'input' if node.op is None else node.op.op_name()})"


def _outputs(node: Node, shapes: Shapes) -> str:
    """The shapes of a node's outputs, blank where they are not known."""
    return ", ".join("" if (s := shapes[node, i]) is None else str(s) for i in range(len(node.output_names())))


def _count(entries: list[Entry], shapes: Shapes) -> str:
    """The number of scalars in these parameters; blank if a shape is not known."""
    found = [shapes[entry] for entry in entries]
    return f"{sum(math.prod(s or ()) for s in found):,}" if all(known(s) for s in found) else ""


def _sources(node: Node, held: set[Node]) -> str:
    """The names of a node's inputs, parameters left out."""
    return ", ".join(entry[0].name for entry in node.inputs if entry[0] not in held)
