"""Where a fit with resume=True begins if there is no snapshot: after the epochs of its latest checkpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from ..atomic_files import PathLike
from ..data.data_iter import DataIter
from ..files import checkpoint
from ..files.latest_checkpoint import latest_epoch
from ..log import note
from ..store.session import Session
from .feeding import InputNames
from .fit_checks import begin_at
from .model import Model

if TYPE_CHECKING:
    from ..symbols.symbol import Symbol


def go_on_from_checkpoint(model: Model, iterator: DataIter, prefix: PathLike | None, session: Session) -> None:
    """Let the model have what the latest whole checkpoint of `prefix` holds, and the iterator be at its epoch.

    Nothing changes, which is said, if there is none of more epochs than the model has. Rank 0 chooses the checkpoint,
    and every worker reads it. Raises FileFormatError if it is of another network.
    """
    chosen = latest_epoch(prefix) if prefix is not None and session.rank == 0 else None
    epoch = json.loads(session.gather(json.dumps(chosen).encode(), "resume from a checkpoint")[0])
    if prefix is None or epoch is None or epoch <= model.begin_epoch:
        if session.rank == 0:
            note(f"resume: there is neither snapshot nor later checkpoint: epoch {model.begin_epoch + 1} is the first")
        return
    names = InputNames.match(model.symbol, iterator)
    symbol = cast("Symbol", model.symbol)  # what FeedForward, whose fit this is, insists on
    found = checkpoint.load(prefix, epoch, symbol, inputs=[*names.data, *names.label])
    model.go_on_from(found)
    model.begin_epoch = epoch
    begin_at(iterator, epoch)
    if session.rank == 0:
        note(f"the training goes on from {checkpoint.paths(prefix, epoch)[1]}")
