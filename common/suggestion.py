"""What somebody may have meant who wrote a name that there is not."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 80  # characters of a name that are compared; it may come from a file
MOST = 40  # names that are listed: nobody reads more of them


def closest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that is most like `name`; None if none is close."""
    import difflib

    return next(iter(difflib.get_close_matches(name[:LONGEST], list(known), 1)), None)


def misspelt(given: object, known: Iterable[str]) -> str:
    """What was given instead of one of the `known` names, which the message lists, and the closest of these."""
    meant = closest(given.lower(), known) if isinstance(given, str) else None
    return repr(given)[:LONGEST] + (f". Did you mean {meant}?" if meant else "")


def suggestion(name: str, known: Iterable[str], otherwise: str = "it has") -> str:
    """The end of a message about an unknown `name`: the closest known one; if none is close, `otherwise` and all of
    them, or nothing if that is empty or they are too many to read.
    """
    names = list(known)
    if meant := closest(name, names):
        return f". Did you mean {meant}?"
    return f"; {otherwise} {', '.join(names) or 'none'}" if otherwise and len(names) <= MOST else ""
