"""The files of a run, by name, and how they are written and read. docs/runs.md tells users what is in them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...common.private_file import write_private

Record = dict[str, Any]  # one JSON object

RUN, PLAN, EVENTS, METRICS = "run.json", "plan.json", "events.jsonl", "metrics.jsonl"
CONFIG = "job.toml"
TAIL = 65536  # bytes at the end of a file in which its last line is


def write_json(path: Path, value: object) -> None:
    """Write a file that is there whole or not at all. Raises OSError."""
    # Escapes, as arguments and paths may have what UTF-8 cannot say.
    write_private(path, json.dumps(value, indent=1).encode() + b"\n")


def read_json(path: Path) -> Record:
    """The object in a file; {} if there is none, or no sense in it."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        value = json.loads(path.read_bytes())
        if isinstance(value, dict):
            return value
    return {}


def line(fields: Mapping[str, object]) -> bytes:
    """An object as a line."""
    return json.dumps(fields).encode() + b"\n"


def parse(data: bytes) -> Record | None:
    """The object in a line; None for one that was cut short by a full disk, say."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class Growing:
    """A file that somebody else is writing: `read` returns what has come since; b"" as long as there is no file."""

    def __init__(self, path: Path) -> None:
        self._path, self._position, self._rest = path, 0, b""

    def read(self, limit: int = -1) -> bytes:
        """The next bytes, at most `limit` of them if that is not negative."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                data = file.read(limit)
        except FileNotFoundError:  # nothing was ever written
            return b""
        self._position += len(data)
        return data

    def objects(self) -> list[Record]:
        """The objects in the lines that have become whole since."""
        *lines, self._rest = (self._rest + self.read()).split(b"\n")
        return [value for data in lines if (value := parse(data)) is not None]


def last_line(path: Path) -> Record:
    """The last object in a file of lines, without reading all of it; {} if there is none that can be read."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
        for data in reversed(file.read().splitlines()):
            if value := parse(data):
                return value
    return {}
