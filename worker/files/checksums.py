"""Checksums beside a checkpoint, which tell damage and which files were saved together.

prefix-0001.sha256 has a line for each file of that epoch, as the program sha256sum writes and checks them:

    9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  prefix-0001.params

While a checkpoint is saved over an older one there are two such blocks, an empty line between them: the old one and the
new one. All files must be those of one block, so that a mixture, left by a kill between two renames, is noticed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias, cast

from ...common.errors import FileFormatError
from ...common.foreign import reading
from ..atomic_files import write_atomically

Block: TypeAlias = dict[str, str]  # suffix of a file -> SHA-256 of its content, in hexadecimal
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


class _Sink:
    """A stream that keeps nothing of what is written to it but its checksum."""

    def __init__(self) -> None:
        self.sum = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.sum.update(content)
        return len(content)


def checksum(write: Callable[[IO[bytes]], object]) -> str:
    """The SHA-256 of what `write` writes to a stream, in hexadecimal."""
    sink = _Sink()
    write(cast("IO[bytes]", sink))
    return sink.sum.hexdigest()


@contextmanager
def saving(path: Path, files: Sequence[Path], new: Mapping[Path, str]) -> Iterator[None]:
    """Around the writing of some of `files`, with the checksums `new`, which replace those in `path`.

    Whatever the moment at which the process ends, what `path` then says tells the old files, the new ones, and a
    mixture of both apart.
    """
    old = _blocks_of(path, files)
    block = {file.suffix: found for file, found in new.items()}
    _write(path, [*old, block])
    yield
    if old:
        _write(path, [block])


def check(path: Path, files: Sequence[Path]) -> None:
    """Raise FileFormatError unless those of `files` that exist are as `path` says, and were saved together.

    Does nothing if there is no such `path`, as beside files of MXNet.
    """
    if not path.exists():
        return
    blocks = _read(path)
    found = {file: _sum_of(file) for file in files if file.exists()}
    if any(all(block.get(file.suffix) == value for file, value in found.items()) for block in blocks):
        return
    for file, value in found.items():
        if all(block.get(file.suffix) != value for block in blocks):
            raise FileFormatError(
                f"{file} is not the file whose checksum is in {path.name}: it was damaged or changed since",
                remedy=f"Fetch it or save it again; if the change is meant, remove {path.name}",
            )
    raise FileFormatError(
        f"{' and '.join(str(file) for file in found)} do not belong together: saving them was interrupted",
        remedy="Load another epoch, or save this one again",
    )


def _blocks_of(path: Path, files: Sequence[Path]) -> list[Block]:
    """The blocks in `path`, or, without a valid one, that of the `files` which there are."""
    if path.exists():
        try:
            return _read(path)
        except FileFormatError:
            pass  # it is about to be replaced
    block = {file.suffix: _sum_of(file) for file in files if file.exists()}
    return [block] if block else []


def _read(path: Path) -> list[Block]:
    blocks: list[Block] = [{}]
    with reading(path):
        lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match:
            blocks[-1][Path(match[2]).suffix] = match[1]
        elif line:
            raise FileFormatError(
                f"{path}, line {number}: no checksum of a file", got=repr(line[:40]), remedy="Remove it"
            )
        else:
            blocks.append({})
    return blocks


def _write(path: Path, blocks: Sequence[Block]) -> None:
    texts = [
        "".join(f"{value}  {path.with_suffix(suffix).name}\n" for suffix, value in block.items()) for block in blocks
    ]
    write_atomically(path, lambda stream: stream.write("\n".join(texts).encode()))


def _sum_of(file: Path) -> str:
    with reading(file), file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
