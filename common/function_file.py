"""A function on its way from a notebook to the workers that call it, as a file that only its user can read.

This is the only place in the product that reads a pickle. It is code that the user hands to a job of their own, as a
training script is, and it only ever comes from the folder of the job (docs/security.md).
"""

from __future__ import annotations

import io
import json
import linecache
import os
import stat
import sys
from collections import ChainMap
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

from .errors import JobError
from .extras import install

CALL = "pushgrad.worker.commands.call"  # the module that calls it; its argument is the name, for people
NAME = "function"  # of the file in the job's folder
SOURCES = 1 << 20  # characters of notebook cells that go with it, for tracebacks


def packed(function: Callable[..., Any], args: Sequence[object]) -> bytes:
    """What `load` reads: a line of JSON about this interpreter, then the function and its arguments.

    Raises JobError if cloudpickle is missing or cannot take the function apart.
    """
    header = {"python": sys.version_info[:2], "path": sys.path, "sources": _sources()}
    stream, pickler = io.BytesIO(), _cloudpickle().Pickler
    try:
        _keeping_names(pickler)(stream).dump((function, tuple(args)))
    except Exception as error:  # whatever the objects that the function holds raise
        raise JobError(
            f"{name_of(function)} cannot be sent to workers: {type(error).__name__}: {error}",
            remedy="Open files, locks and connections within the function instead of around it",
        ) from None
    return json.dumps(header).encode() + b"\n" + stream.getvalue()


def leave(folder: Path, data: bytes) -> None:
    """Write what `load` reads into a job's folder."""
    with os.fdopen(os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def load(folder: Path) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function and its arguments, from a job's folder. Modules are then found where the notebook finds them, too.

    Raises JobError if the file is not this user's alone, or was written by another version of Python.
    """
    path = folder / NAME
    if not path.exists():
        raise JobError("there is no function to be called", remedy="Start the job by mx.run(function)")
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
            raise JobError(f"{path} is not a file that only you can read and write")
        header, data = json.loads(file.readline()), file.read()
    if header["python"] != list(sys.version_info[:2]):
        theirs, ours = (".".join(map(str, version[:2])) for version in (header["python"], sys.version_info))
        raise JobError(
            f"a function of Python {theirs} cannot be called by Python {ours}",
            remedy="Let the workers have the notebook's version of Python, or write the function into a script",
        )
    sys.path += [folder for folder in header["path"] if folder not in sys.path]
    for name, text in header["sources"].items():
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    function, args = _cloudpickle().loads(data)
    return function, args


def _keeping_names(pickler: Any) -> Any:
    """The pickler, but with the file names of code, which cloudpickle leaves out and tracebacks show."""
    reduce = pickler.dispatch_table[CodeType]

    def reduce_code(code: CodeType) -> tuple[Any, ...]:
        return _named, (code.co_filename, *reduce(code))

    table = ChainMap({CodeType: reduce_code}, pickler.dispatch_table)
    return type("Pickler", (pickler,), {"dispatch_table": table})


def _named(filename: str, make: Callable[..., CodeType], parts: tuple[Any, ...]) -> CodeType:
    return make(*parts).replace(co_filename=filename)


def _sources() -> dict[str, str]:
    """The newest cells of the notebook by file name: a traceback elsewhere could not show their lines."""
    found: dict[str, str] = {}
    room = SOURCES
    for name, entry in reversed(linecache.cache.items()):
        # Of an entry that need not be checked against a file, as a cell's, the second field is None.
        text = "".join(entry[2]) if len(entry) == 4 and entry[1] is None else ""
        if text and (room := room - len(text)) > 0:
            found[name] = text
    return found


def _cloudpickle() -> Any:
    try:
        import cloudpickle
    except ImportError:
        raise JobError(
            "a function cannot be sent to workers without cloudpickle",
            remedy=f"{install('notebook')}, or write the function into a script",
        ) from None
    return cloudpickle


def name_of(function: object) -> str:
    """What people call it; a partial is called as its function is."""
    function = getattr(function, "func", function)
    return str(getattr(function, "__name__", type(function).__name__))
