"""`pushgrad summary`: a network's layers as a table and, with --plot, as a picture."""

from __future__ import annotations

import re
from pathlib import Path

import click

from ...common.errors import ParameterError
from ...common.suggestion import closest
from .. import models
from ..array import Shape
from ..files.formats import network_file
from ..symbols import sym
from ..symbols.symbol import Symbol
from ..viz import plot_network, print_summary
from .shape_option import parse_shapes


@click.command()
@click.argument("file")
@click.option(
    "--shape", "shapes", multiple=True, callback=parse_shapes, metavar="NAME=N,C,H,W", help="Shape of an input."
)
@click.option("--plot", "picture", metavar="PATH", help="Also draw the network into a .svg, .dot, .png or .pdf file.")
def summary(file: str, shapes: dict[str, Shape], picture: str | None) -> None:
    """Show the layers of the network in FILE, with shapes and numbers of parameters.

    \b
    FILE is one of
    NAME.json              a graph, such as PREFIX-symbol.json
    PREFIX:EPOCH           a checkpoint: PREFIX-symbol.json, PREFIX-0001.params
    NAME.onnx              a network as ONNX
    resnet50               the name of one of mx.models

    Shapes and numbers need the shapes of the inputs, which networks of mx.models and ONNX know and others are told:
    --shape data=1,3,224,224
    \f
    Raises ParameterError if --shape names no input, and what `network_in` and the file's loader raise; cli.py prints
    them. (Click leaves what follows the form feed out of --help.)
    """
    network, known = network_in(file)
    given = {**known, **shapes}
    if unknown := [name for name in given if name not in network.list_arguments()]:
        raise ParameterError(f"--shape: {file} has no input {', '.join(unknown)}")
    print_summary(network, given)
    if not given:
        inputs = " ".join(f"--shape {name}=..." for name in network.list_arguments() if name.endswith("data"))
        click.echo(f"Shapes and numbers of parameters follow from those of the inputs: {inputs or '--shape NAME=...'}")
    if picture:
        click.echo(f"Wrote {plot_network(network, given, title=Path(file).name).save(picture)}")


def network_in(file: str) -> tuple[Symbol, dict[str, Shape]]:
    """The graph in a file, or of one of mx.models by its name, and the shapes of inputs by name that the file fixes.

    Raises ParameterError if the file has no graph, FileFormatError if it cannot be read, GraphError if its graph cannot
    be used.
    """
    # A file with the name of a model goes first. lstm_unroll has no default for its number of classes.
    if not Path(file).exists() and file.rstrip("0123456789") in models.names() and file != "lstm_unroll":
        picture = models.picture_shape(file)
        return models.get(file), {} if picture is None else {"data": (1, *picture)}
    if file.endswith(".json"):
        return sym.load(file), {}
    if meant := _misspelt(file):
        raise ParameterError(f"{file} is neither a file nor one of mx.models. Did you mean {meant}?")
    content = network_file.read(file, as_network=True)
    if content.symbol is None:
        raise ParameterError(f"{file} holds {content.what} without a graph", remedy="Name the file of the graph")
    return content.symbol, content.shapes


def _misspelt(file: str) -> str | None:
    """The name of a network that is meant, if there is no such file and it cannot be the name of one."""
    is_path = Path(file).exists() or not re.fullmatch(r"[\w-]+", file)
    return None if is_path else closest(file, models.names())
