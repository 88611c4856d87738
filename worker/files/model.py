"""mx.model: checkpoints as plain graphs and arrays, as MXNet's module of that name reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping

from ..array import Array
from ..atomic_files import PathLike
from ..symbols.symbol import Symbol
from . import checkpoint

__all__ = ["load_checkpoint", "save_checkpoint"]


def load_checkpoint(prefix: PathLike, epoch: int) -> tuple[Symbol, dict[str, Array], dict[str, Array]]:
    """Graph, arguments and auxiliary states of prefix-symbol.json and prefix-0001.params, both as they are.

    Arrays that the graph has no use for come too, and ones that it needs may be missing, as when a part of a network
    was saved: `mx.FeedForward.load` insists on a complete one. Files from MXNet 0.7 (2016) on are read. Raises
    FileFormatError if a file is missing, damaged, or no model's.
    """
    return checkpoint.load_parts(prefix, epoch)


def save_checkpoint(
    prefix: PathLike,
    epoch: int,
    symbol: Symbol | None,
    arg_params: Mapping[str, Array],
    aux_params: Mapping[str, Array],
) -> None:
    """Write prefix-symbol.json (unless `symbol` is None) and prefix-0001.params, each whole or not at all."""
    checkpoint.save(prefix, epoch, symbol, arg_params, aux_params)
