"""`pushgrad servers`: how a network's parameters are spread over the servers of a job."""

from __future__ import annotations

import math

import click
from rich.console import Console
from rich.table import Table

from ...common.errors import ParameterError
from ...ps.assignment import BIG_ARRAY, Assignment
from ..array import Shape
from ..symbols.symbol import Symbol
from .shape_option import parse_shapes
from .summary import network_in

ITEM_BYTES = 4  # float32


@click.command()
@click.argument("file")
@click.option(
    "--shape", "shapes", multiple=True, callback=parse_shapes, metavar="NAME=N,C,H,W", help="Shape of an input."
)
@click.option("--servers", type=click.IntRange(1), default=2, show_default=True, help="Servers of the job.")
@click.option(
    "--bound", type=click.IntRange(1), default=BIG_ARRAY, show_default=True,
    help="Keys of more elements are split over all servers (MXNET_KVSTORE_BIGARRAY_BOUND).",
)  # fmt: skip
def servers(file: str, shapes: dict[str, Shape], servers: int, bound: int) -> None:
    """Show what each server of a job holds of the network in FILE (as for `pushgrad summary`).

    Sizes are those of the weights in float32; momentum takes as much again, and so does each worker's gradient.
    """
    network, known = network_in(file)
    # The servers' own rule, which depends on the order of the keys: that in which workers initialise them.
    assignment, counts = Assignment(servers, bound), [0] * servers
    for size in _sizes(network, {**known, **shapes}):
        for server in {part.server for part in assignment.place(size, ITEM_BYTES)}:
            counts[server] += 1
    even = sum(assignment.load) / servers  # bytes of a server if all held the same; 0 without parameters
    table = Table("server", "keys", "MB", "of an even share")
    for column in table.columns:
        column.justify = "right"
    for server, load in enumerate(assignment.load):
        table.add_row(f"{server}", f"{counts[server]}", f"{load / 1e6:.2f}", f"{load / even:.1%}" if even else "-")
    Console().print(table)


def _sizes(network: Symbol, inputs: dict[str, Shape]) -> list[int]:
    """The number of elements of each parameter, in the order in which workers initialise them."""
    if not inputs:
        raise ParameterError("the shapes of the inputs are not known", remedy="Give them: --shape data=1,3,224,224")
    shapes = {node.name: shape for (node, _), shape in network.infer_all(**inputs).items() if node.op is None}
    learned = [n for n in network.list_arguments() if n not in inputs and not n.endswith("label")]
    return [math.prod(shapes[name]) for name in learned]
