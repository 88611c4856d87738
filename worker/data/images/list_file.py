"""List files (.lst) of pictures. A line has number, label or labels, and path below a root folder, tab-separated."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ....common.errors import FileFormatError
from ....common.foreign import unreadable
from ...atomic_files import PathLike, write_atomically
from ..user_arrays import LARGEST_WHOLE, is_rounded, overflows


class Listed(NamedTuple):
    """One picture of a list: its number (the id of its record), its labels, and its path below the root."""

    number: int
    labels: tuple[float, ...]
    path: str


def write_list(path: PathLike, pictures: Sequence[Listed]) -> None:
    """Write a list file, whole or not at all. File names that are not UTF-8 keep their bytes.

    Raises FileFormatError if the folder of `path` does not exist, OSError if it cannot be written.
    """
    # 9 significant digits are enough to read back any float32.
    lines = (
        "\t".join([str(one.number), *(f"{label:.9g}" for label in one.labels), one.path]) + "\n" for one in pictures
    )
    write_atomically(path, lambda stream: stream.writelines(map(os.fsencode, lines)))


def read_list(path: PathLike) -> list[Listed]:
    """The pictures of a list file, in its order; blank lines are skipped.

    Raises FileFormatError if the file cannot be read, and for the first line that has another form or repeats a
    number, with that line's number.
    """
    try:
        lines = os.fsdecode(Path(path).read_bytes()).split("\n")
    except OSError as error:
        raise unreadable(path, error) from None
    found: dict[int, Listed] = {}
    for place, line in enumerate(lines, 1):
        if line.strip():
            picture = _parse(line.rstrip("\r"), f"{path}, line {place}")
            if picture.number in found:
                raise FileFormatError(f"{path}, line {place}: number {picture.number} is in an earlier line, too")
            found[picture.number] = picture
    return list(found.values())


def _parse(line: str, where: str) -> Listed:
    """One line of a list; `where` names it in errors."""
    cells = line.split("\t")
    try:
        number, labels, path = int(cells[0]), tuple(float(cell) for cell in cells[1:-1]), cells[-1]
        # A record stores the number as u64 and the labels as float32.
        if number < 0 or number >= 2**64 or not labels or not path or not all(map(math.isfinite, labels)):
            raise ValueError
    except ValueError:
        raise FileFormatError(
            where, expected="number, tab, label or labels, tab, path of a picture", got=repr(line[:80])
        ) from None
    if lost := [cell for cell in cells[1:-1] if overflows(cell) or is_rounded(cell)]:
        expected = f"labels that float32 holds, such as whole numbers up to {LARGEST_WHOLE}"
        raise FileFormatError(where, expected=expected, got=lost[0][:40], remedy="Number classes from 0")
    return Listed(number, labels, path)
