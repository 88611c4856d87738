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
_KEPT_WHOLE = 36  # characters of a layer's name and operator: beside those, inputs have room in a terminal of 80


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
    from rich import box
    from rich.markup import escape
    from rich.table import Column, Table

    given = dict(shape or {})
    nodes = symbol.nodes()
    shapes = infer_partial(nodes, given)
    held = held_variables(nodes, given)
    states = _states(nodes)
    learned = held - states
    # Lines between rows and columns would take the room that names need in 80 characters.
    table = Table(
        *(Column(title, overflow="fold") for title in _TITLES), show_footer=True, box=box.SIMPLE, pad_edge=False
    )
    table.columns[2].justify = "right"
    rest = [node for node in nodes if node not in held]
    table.columns[0].no_wrap = max((len(_layer(node)) for node in rest), default=0) <= _KEPT_WHOLE
    table.columns[1].no_wrap = table.columns[2].no_wrap = True
    own = parameters_of(nodes, held)
    for node in rest:
        cells = (_layer(node), _outputs(node, shapes), count(own[node], shapes), _sources(node, held))
        table.add_row(*map(escape, cells))
    table.columns[0].footer = "total"
    table.columns[2].footer = count([(node, 0) for node in learned], shapes)
    if states and (number := count([(node, 0) for node in states], shapes)):
        table.columns[3].footer = f"and {number} in auxiliary states"
    return table


def held_variables(nodes: Sequence[Node], given: Collection[str]) -> set[Node]:
    """The variables that are parameters or states: all but those in `given`, or named ...data or ...label."""
    variables = [node for node in nodes if node.op is None]
    return {node for node in variables if node.name not in given and not node.name.endswith(("data", "label"))}


def parameters_of(nodes: Sequence[Node], held: set[Node]) -> dict[Node, list[Entry]]:
    """For each node but those `held` its parameters without its states; one that several share is the first one's."""
    counted = _states(nodes)
    found = {}
    for node in nodes:
        if node not in held:
            found[node] = [e for e in dict.fromkeys(node.inputs) if e[0] in held and e[0] not in counted]
            counted.update(entry[0] for entry in found[node])
    return found


def _states(nodes: Sequence[Node]) -> set[Node]:
    return {entry[0] for node in nodes for entry in node.auxiliaries()}


def _layer(node: Node) -> str:
    """A node's name and, in parentheses, its operator."""
    return f"{node.name} ({'input' if node.op is None else node.op.op_name()})"


def _outputs(node: Node, shapes: Shapes) -> str:
    """The shapes of a node's outputs, blank where they are not known."""
    return ", ".join("" if (s := shapes[node, i]) is None else str(s) for i in range(len(node.output_names())))


def count(entries: Sequence[Entry], shapes: Shapes) -> str:
    """The number of scalars in these parameters; blank if a shape is not known."""
    found = [shapes[entry] for entry in entries]
    return f"{sum(math.prod(s or ()) for s in found):,}" if all(known(s) for s in found) else ""


def _sources(node: Node, held: set[Node]) -> str:
    """The names of a node's inputs, parameters left out."""
    return ", ".join(entry[0].name for entry in node.inputs if entry[0] not in held)
