"""An error on its way to a peer: from a WireError to the message that reports it."""

from __future__ import annotations

from typing import Any

from ..common.messages import Error
from ..common.wire import TEXT_BYTES, WireError, cut

SHORT_BYTES = 256  # of `expected` and `got`


def refusal(error: WireError, **request: Any) -> Error:
    """The message that reports `error` to the peer. `request` holds what is known of the request (seq, fit, n, ...).

    Texts are cut to the bytes that the protocol allows, or the peer could not read the error: it may quote what the
    peer itself has sent.
    """
    key = error.key if isinstance(error.key, str) else None
    return Error(
        code=error.code,
        text=cut(error.text, 1000),
        expected=None if error.expected is None else cut(str(error.expected), SHORT_BYTES),
        got=None if error.got is None else cut(str(error.got), SHORT_BYTES),
        remedy=None if error.remedy is None else cut(error.remedy, TEXT_BYTES),
        **{"key": key, **request},
    )
