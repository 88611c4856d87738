"""Which checkpoints of a prefix there are: the latest one that is whole, and the removal of one."""

from __future__ import annotations

import re
from pathlib import Path

from ...common.errors import FileFormatError, ParameterError
from ...common.suggestion import closest
from ..atomic_files import PathLike
from ..log import note
from . import checkpoint, checksums

_NUMBER = re.compile(r"-([0-9]{4,})\.params")


def chosen_epoch(prefix: PathLike, epoch: int | str | None) -> int:
    """`epoch` itself, or that of the latest checkpoint if it is None or "latest".

    Raises FileFormatError if there is none that is whole, ParameterError for another text.
    """
    if epoch is None or epoch == "latest":
        found = latest_epoch(prefix)
        if found is None:
            raise FileFormatError(f"there is no whole checkpoint {prefix}-*.params", remedy=_other_than(prefix))
        return found
    if isinstance(epoch, str):
        raise ParameterError("checkpoint: epoch", expected='a whole number of 0 or more, or "latest"', got=repr(epoch))
    return epoch


def latest_epoch(prefix: PathLike) -> int | None:
    """The highest epoch whose files are as their checksums say; None if there is none. Others are named in the log.

    Files without checksums, such as MXNet's, count as whole.
    """
    for epoch in sorted(_epochs(prefix), reverse=True):
        _, params, states = checkpoint.paths(prefix, epoch)
        try:
            checksums.check(checkpoint.sums_path(params), [params, states])
        except FileFormatError as error:
            note(f"checkpoint refused: {error}")
        else:
            return epoch
    return None


def remove(prefix: PathLike, epoch: int) -> None:
    """Remove the files of that epoch as far as there are any; the graph's file, which all epochs share, stays."""
    _, params, states = checkpoint.paths(prefix, epoch)
    # First the file that the others go by: whatever is left over is no checkpoint.
    for path in (params, states, checkpoint.sums_path(params)):
        path.unlink(missing_ok=True)


def _epochs(prefix: PathLike) -> list[int]:
    folder, stem = Path(prefix).parent, Path(prefix).name
    names = [path.name.removeprefix(stem) for path in folder.glob("*.params") if path.name.startswith(stem)]
    return [int(match[1]) for name in names if (match := _NUMBER.fullmatch(name))]


def _other_than(prefix: PathLike) -> str:
    """What to do where that prefix has no checkpoint."""
    folder, stem = Path(prefix).parent, Path(prefix).name
    others = {_NUMBER.sub("", path.name) for path in folder.glob("*.params")} - {stem}
    meant = closest(stem, sorted(others))
    return f"Did you mean {folder / meant}?" if meant else "Check the prefix, or name an epoch"
