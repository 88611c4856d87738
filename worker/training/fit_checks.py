"""Before the first step of a fit: checks of what was passed, defaults for what was not, and the log's first lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...common.errors import DataError, ParameterError
from ..context import as_list
from ..log import is_brief, log_line
from ..store.session import Session
from .agreement import Shares
from .initializers import initializer

PRECISIONS = ("float32", "tf32", "float16", "bfloat16")


def chosen_initializer(given: Any) -> Any:
    """What draws initial values: `given` if it can be called with name and shape, else `mx.init.create(given)`.

    None is Uniform(0.01), as in R. Raises ParameterError if it is not an initializer.
    """
    if given is None:
        return initializer.Uniform(0.01)
    # A class can be called as well, but would take name and shape for its options: `create` refuses it.
    return given if callable(given) and not isinstance(given, type) else initializer.create(given)


def check_epochs_left(done: int, wanted: int) -> None:
    """Raise ParameterError if nothing is left to train: `done` and `wanted` are numbers of epochs."""
    if wanted <= done:
        raise ParameterError(
            "num_epoch: nothing is left to train",
            expected=f"more than the {done} epochs that are done (begin_epoch)",
            got=wanted,
        )


def check_precision(given: Any) -> str:
    """Return `given` if it is one of PRECISIONS. Raises ParameterError otherwise."""
    if given not in PRECISIONS:
        raise ParameterError("precision", expected=" or ".join(PRECISIONS), got=repr(given))
    return str(given)


def check_verbose(given: Any) -> bool | str:
    """Return `given` if it is a truth value or "r". Raises ParameterError otherwise."""
    if isinstance(given, str) and given != "r":
        raise ParameterError("verbose", expected='True, False or "r"', got=repr(given))
    return given if given == "r" else bool(given)


def check_names(given: Any) -> tuple[str, ...]:
    """fixed_param_names as a tuple. Raises ParameterError unless they are strings in a list or the like."""
    # A lone string is iterable, too, and would be taken for a list of letters.
    if isinstance(given, str) or not all(isinstance(name, str) for name in given or ()):
        raise ParameterError("fixed_param_names", expected="a list of names or patterns", got=repr(given))
    return tuple(given or ())


def begin_at(iterator: Any, epoch: int) -> None:
    """Move the iterator to the first batch of epoch `epoch`, counted from 0. Raises ParameterError if it cannot."""
    if hasattr(iterator, "seek"):
        iterator.seek(epoch, 0)
    elif epoch == 0:
        iterator.reset()
    else:
        raise ParameterError(
            f"begin_epoch={epoch} needs an iterator that can continue there",
            remedy="Give it a method seek(epoch, batch), or start at epoch 0.",
        )


def go_on_at(iterator: Any, epoch: int, batch: int) -> None:
    """Move an iterator that has just been begun to a batch in its midst; both are counted from 0.

    One without `seek` reads all batches up to there. Raises DataError if it has fewer.
    """
    if hasattr(iterator, "seek"):
        iterator.seek(epoch, batch)
        return
    for _ in range(epoch):
        for _ in iterator:
            pass
        iterator.reset()
    for count in range(batch):
        if next(iterator, None) is None:
            raise DataError(f"the iterator's epoch {epoch + 1}", expected=f"more than {batch} batches", got=count)


def announce(ctx: Any, shares: Shares, session: Session, notes: Sequence[str]) -> None:
    """Log how the batch is shared, the `notes` about data and parameters, and that training starts."""
    if session.num_workers > 1:
        size = shares.global_batch / session.num_workers  # rows per worker, on average
        each = f"{size:.0f}" if size.is_integer() else f"about {size:.1f}"
        log_line(f"global batch {shares.global_batch} = {session.num_workers} workers x {each}")
    for note in notes:
        log_line(note)
    devices = len(as_list(ctx))
    # R counts one device as it does several.
    log_line(f"Start training with {devices} {'device' if devices == 1 and is_brief() else 'devices'}")
