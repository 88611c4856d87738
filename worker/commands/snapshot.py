"""`pushgrad snapshot`: what a training has kept of itself, and a checkpoint made of it."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from ...common.errors import EXIT_FAILURE, FileFormatError, ParameterError
from ..files import checkpoint
from ..files import snapshot as files
from ..files.snapshot_folder import SnapshotFolder, split
from ..symbols import sym

FOLDER = click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.group()
def snapshot() -> None:
    """Look at the snapshots that trainings keep of themselves (docs/snapshots.md).

    PATH is a folder of snapshots, such as snapshots/train, or one of those in it. Where one is wanted, that of a folder
    is its last.
    """


@snapshot.command("list")
@FOLDER
def list_(path: Path) -> None:
    """List the snapshots in PATH, the last one last."""
    table = Table(Column("name", no_wrap=True), "written", "fit", "epoch", "batch", "step", "of", box=None)
    for folder in _all(path):
        try:
            head = files.read_head(folder)
        except FileFormatError as error:
            table.add_row(folder.name, f"damaged: {error.text}")
            continue
        place = ["ended", ""] if head["done"] else [f"{head['epoch'] or ''}", f"{head['batch'] or ''}"]
        table.add_row(folder.name, head["written"], f"{head['fit']}", *place, f"{head['step']}", head["script"])
    Console().print(table)


@snapshot.command()
@FOLDER
def show(path: Path) -> None:
    """Show what is in the snapshot PATH: all values, and shape and type of each array."""
    head = files.read_head(_one(path))
    arrays = head.pop("arrays")
    head["state"].pop("symbol", None)  # `to-checkpoint` and `summary` show the network
    click.echo(json.dumps(head, indent=2))
    table = Table(Column("array", overflow="fold"), "shape", "type", box=None)
    for name, described in arrays.items():
        table.add_row(name, " x ".join(map(str, described["shape"])), described["dtype"])
    Console().print(table)


@snapshot.command()
@FOLDER
def verify(path: Path) -> None:
    """Read all of the snapshot PATH, or of all snapshots in it, and compare the checksums."""
    bad = 0
    for folder in _all(path):
        try:
            files.verify(folder)
        except FileFormatError as error:
            bad += 1
            click.echo(f"{folder.name}: {error}")
        else:
            click.echo(f"{folder.name}: good")
    if bad:
        click.get_current_context().exit(EXIT_FAILURE)


@snapshot.command("to-checkpoint")
@FOLDER
@click.argument("prefix")
@click.option("--epoch", type=click.IntRange(0, 9999), help="The checkpoint's number; by default the epochs done.")
def to_checkpoint(path: Path, prefix: str, epoch: int | None) -> None:
    """Make a checkpoint of the snapshot PATH: PREFIX-symbol.json, PREFIX-0003.params and PREFIX-0003.states.

    FeedForward.load reads it. It holds no position within the epoch: a training that loads it begins that epoch anew.
    Of a loop over mx.kv there is no symbol, and its number is by default the step.
    """
    found = files.verify(_one(path))
    step = found.head["step"]
    of_loops = {"symbol": None, "aux_params": {}, "begin_epoch": step, "num_update": step, "training": 0}
    tree = {**of_loops, "rate_factor": 1.0, **found.tree}  # the last was not in snapshots of version 1.0
    state = checkpoint.TrainingState.of(
        tree["optimizer_states"], tree["num_update"], tree["training"], tree["rate_factor"]
    )
    number = tree["begin_epoch"] if epoch is None else epoch
    symbol = None if tree["symbol"] is None else sym.load_json(tree["symbol"])
    saved = checkpoint.save(prefix, number, symbol, tree["arg_params"], tree["aux_params"], state)
    click.echo(f"saved {saved}")


def _all(path: Path) -> list[Path]:
    """The snapshots that PATH means. Raises ParameterError if there are none."""
    folder, name = split(path)
    names = SnapshotFolder(folder).names() if name is None else [name]
    if not names:
        raise ParameterError(f"there are no snapshots in {path}")
    return [folder / name for name in names]


def _one(path: Path) -> Path:
    return _all(path)[-1]
