"""Reading files of unknown origin: whatever their bytes make a library raise becomes an error of ours about them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import FileFormatError, PushgradError
from .missing_file import MEANT, remedy_for


@contextmanager
def reading(where: object, error: type[PushgradError] = FileFormatError, remedy: str | None = None) -> Iterator[None]:
    """Around code that reads `where`, a path or a place in a file: any exception in it becomes `error` about `where`.

    Errors of ours pass as they are. Readers check what they can and say precisely what is wrong; this is for what they
    cannot foresee, since decompressors, parsers and numpy raise dozens of classes on damaged bytes, MemoryError and
    RecursionError among them.
    """
    try:
        yield
    except PushgradError:
        raise
    except OSError as found:
        raise unreadable(where, found, error, remedy) from None
    except Exception as found:
        text = f"{type(found).__name__}: {str(found)[:200]}".rstrip(": ")
        raise error(f"{where} is damaged, or no such file ({text})", remedy=remedy) from found


def unreadable(
    where: object, found: OSError, error: type[PushgradError] = FileFormatError, remedy: str | None = None
) -> PushgradError:
    """The `error` for a file or folder `where`, and what may be done about it: by default `remedy`, but the name that
    was meant is more to the point.
    """
    hint = remedy_for(where, found) if isinstance(where, (str, os.PathLike)) else None
    chosen = hint if hint and (remedy is None or hint.startswith(MEANT)) else remedy
    return error(f"{where} cannot be read: {found.strerror or found}", remedy=chosen)
