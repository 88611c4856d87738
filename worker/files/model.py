"""mx.model: reading and writing checkpoints as a graph and arrays, under the names of MXNet's module."""

from __future__ import annotations

from collections.abc import Mapping

from ..array import Array
from ..atomic_files import PathLike
from ..symbols.symbol import Symbol
from . import checkpoint
from .latest_checkpoint import chosen_epoch

__all__ = ["load_checkpoint", "save_checkpoint"]


def load_checkpoint(
    prefix: PathLike, epoch: int | str | None, pooling_convention: str | None = None
) -> tuple[Symbol, dict[str, Array], dict[str, Array]]:
    """The graph, arguments and auxiliary states in prefix-symbol.json and prefix-0001.params, without comparing them.

    Arrays, each of its parameter's shape, come by name. There may be some that the graph does not use, and some that it
    needs may be missing, as when a part of a network was saved; `mx.FeedForward.load` insists on a complete model.
    Files from MXNet 0.7 (2016) on are read. `pooling_convention` says how poolings round that do not state it: "full"
    up, "valid" down; by default as fits the parameters, else up. `epoch` None or "latest" is the highest whose files
    are as their checksums say. Raises FileFormatError if a file is missing, damaged, or not a model's, ParameterError
    if `epoch` is not a whole number of 0 or more.
    """
    epoch = chosen_epoch(prefix, epoch)
    return checkpoint.load_parts(prefix, epoch, pooling_convention=pooling_convention)


def save_checkpoint(
    prefix: PathLike,
    epoch: int,
    symbol: Symbol | None,
    arg_params: Mapping[str, Array],
    aux_params: Mapping[str, Array],
) -> None:
    """Write prefix-symbol.json (unless `symbol` is None) and prefix-0001.params, each whole or not at all.

    The arrays are stored by name, with the shape and element type that they have. Raises ParameterError if `epoch` is
    not a whole number of 0 or more or the format lacks an element type, FileFormatError if the folder does not exist.
    """
    checkpoint.save(prefix, epoch, symbol, arg_params, aux_params)
