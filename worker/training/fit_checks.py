"""Before the first step of a fit: what was passed is checked and completed, and the log's first lines are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...common.errors import ParameterError
from ...common.suggestion import suggestion
from ..context import as_list
from ..log import log_line
from ..store.session import Session
from .agreement import Shares
from .initializers import initializer
from .options import CALL_DEFAULTS, FIT_DEFAULTS

PRECISIONS = ("float32", "tf32", "float16", "bfloat16")


def chosen_initializer(given: Any) -> Any:
    """Anything that can be called with name and shape, or what `mx.init.create` makes one of; None is Uniform(0.01)."""
    if given is None:
        return initializer.Uniform(0.01)
    return given if callable(given) and not isinstance(given, type) else initializer.create(given)


def check_epochs_left(done: int, wanted: int) -> None:
    """ParameterError if nothing is left to train."""
    if wanted <= done:
        raise ParameterError(
            "num_epoch: nothing is left to train",
            expected=f"more than the {done} epochs that are done (begin_epoch)",
            got=wanted,
        )


def check_fit_options(given: Mapping[str, Any]) -> None:
    """ParameterError for an option that fit does not have."""
    for name in given:
        if name not in CALL_DEFAULTS:
            raise ParameterError(f"fit: no option {name}{suggestion(name, [*FIT_DEFAULTS])}")


def check_precision(given: Any) -> str:
    """`given` if it names a way to compute products."""
    if given not in PRECISIONS:
        raise ParameterError("precision", expected=" or ".join(PRECISIONS), got=repr(given))
    return str(given)


def check_names(given: Any) -> tuple[str, ...]:
    """fixed_param_names as a tuple: a lone string would be taken for a list of letters."""
    if isinstance(given, str) or not all(isinstance(name, str) for name in given or ()):
        raise ParameterError("fixed_param_names", expected="a list of names or patterns", got=repr(given))
    return tuple(given or ())


def seek_epoch(iterator: Any, epoch: int) -> None:
    """Move the iterator to that epoch's first batch."""
    if epoch == 0:
        return
    if not hasattr(iterator, "seek"):
        raise ParameterError(
            f"begin_epoch={epoch} needs an iterator that can continue there",
            remedy="Give it a method seek(epoch, batch), or start at epoch 0.",
        )
    iterator.seek(epoch, 0)


def announce(ctx: Any, shares: Shares, session: Session, notes: Sequence[str]) -> None:
    """How the batch is shared, what was found out, and that training starts."""
    if session.num_workers > 1:
        size = shares.global_batch / session.num_workers
        each = f"{size:.0f}" if size.is_integer() else f"about {size:.1f}"
        log_line(f"global batch {shares.global_batch} = {session.num_workers} workers x {each}")
    for note in notes:
        log_line(note)
    log_line(f"Start training with {len(as_list(ctx))} devices")
