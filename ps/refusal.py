"""An error on its way to a peer: from a WireError to the message that reports it."""

from __future__ import annotations

from typing import Any

from ..common.messages import Error
from ..common.wire import WireError


def refusal(error: WireError, **request: Any) -> Error:
    """The message that reports `error` to the peer. `request` holds what is known of the request (seq, fit, n, ...).

    Texts are cut to what the protocol allows: the error may quote what the peer itself has sent.
    """
    key = error.key if isinstance(error.key, str) else None
    return Error(
        code=error.code,
        text=error.text[:1000],
        expected=None if error.expected is None else str(error.expected)[:200],
        got=None if error.got is None else str(error.got)[:200],
        remedy=error.remedy,
        **{"key": key, **request},
    )
