"""`pushgrad convert`: networks and arrays from one file format to another."""

from __future__ import annotations

import click

from ..files.formats import network_file
from ..graphs.shape_inference import UnknownShapes
from ..symbols import sym
from .shape_option import parse_shapes


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option(
    "--shape", "shapes", multiple=True, callback=parse_shapes, metavar="NAME=N,C,H,W", help="Shape of an input."
)
@click.option("--symbol", type=click.Path(exists=True, dir_okay=False), help="The graph for arrays that have none.")
@click.option("--dynamic-batch", is_flag=True, help="An ONNX file that takes any number of rows.")
def convert(
    source: str, target: str, shapes: dict[str, tuple[int, ...]], symbol: str | None, dynamic_batch: bool
) -> None:
    """Convert the network or the arrays in IN to another file, OUT; their names tell the formats.

    \b
    PREFIX:EPOCH           a checkpoint: PREFIX-symbol.json, PREFIX-0001.params
    .params .nd            arrays in MXNet's files
    .onnx                  a network as ONNX
    .safetensors           arrays, with the graph beside them if there is one
    .pth .pt .whl          (IN only) torch weights; as a network, those of EfficientNet-Lite0

    An ONNX file needs the shapes of the network's inputs: --shape data=1,3,224,224
    """
    graph = sym.load(symbol) if symbol else None
    as_network = network_file.wants_network(target)
    content = network_file.read(source, as_network, graph)
    try:
        written = network_file.write(content, target, shapes, dynamic_batch)
    except UnknownShapes as error:
        raise UnknownShapes(error.text, remedy="Name the inputs' shapes: --shape data=1,3,224,224") from None
    arrays = len(content.arguments) + len(content.states)
    click.echo(f"Read {content.what} from {source}: {arrays} arrays, {content.parameters()} parameters")
    click.echo(f"Wrote {', '.join(map(str, written))}")
