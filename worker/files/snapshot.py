"""One snapshot on disk: a folder with a tree of values in state.json, and that tree's arrays in state.params.

    000007-fit1-step150/state.json      what it is, the tree, and shape, type and checksum of each array
                        state.params    the arrays by their path in the tree, in MXNet's file of arrays
                        rank-1.json     what worker 1 alone has, if anything; with rank-1.params

docs/snapshots.md describes the format. The JSON file is written after its arrays, and has a checksum of itself.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...common.cores import available_cores
from ...common.errors import FileFormatError
from ..array import Array
from ..atomic_files import write_atomically
from . import ndfile
from .state_tree import flatten, unflatten

FORMAT = "pushgrad snapshot"
# The major version grows when older programs cannot read it, the minor one when they can: they ignore what they do not
# know, and newer programs have defaults for what older ones did not write.
MAJOR, MINOR = 1, 1
STATE = "state"  # the stem of the files that every snapshot has
HEAD = ("run", "script", "fit", "step", "epoch", "batch", "done", "written", "identity", "parts", "results")  # of STATE
_REMEDY = "Use an older snapshot, or begin anew without --resume"


@dataclass
class Snapshot:
    """A snapshot that was read: `head` says what it is, `tree` holds its values and arrays."""

    path: Path
    head: dict[str, Any]
    tree: Any = field(repr=False)

    @property
    def fit(self) -> int:
        """Which fit of the script it is of, from 1."""
        return int(self.head["fit"])

    @property
    def done(self) -> bool:
        """Whether that fit had ended."""
        return bool(self.head["done"])


def part(rank: int) -> str:
    """The stem of the files in which that worker's part is."""
    return STATE if rank == 0 else f"rank-{rank}"


def write(folder: Path, stem: str, head: Mapping[str, Any], tree: Any) -> None:
    """Write a tree as STEM.params and STEM.json in `folder`, which is there. `head`: plain values, in the JSON file.

    Raises ParameterError if the tree has something that cannot be written, OSError if the disk is full or the like.
    """
    plain, arrays = flatten(tree)
    ndfile.save(folder / f"{stem}.params", arrays)
    text = {"format": FORMAT, "version": f"{MAJOR}.{MINOR}", **head, "state": plain, "arrays": _described(arrays)}
    text["checksum"] = _checksum(text)
    encoded = json.dumps(text, indent=1, allow_nan=False).encode()
    write_atomically(folder / f"{stem}.json", lambda stream: stream.write(encoded))


def read(folder: Path, stem: str = STATE) -> Snapshot:
    """Read and check a part of a snapshot; by default the one that every snapshot has.

    Raises FileFormatError, which names the file and the array, if it is missing, truncated, changed, or newer.
    """
    head = read_head(folder, stem)
    plain, described = head.pop("state"), head.pop("arrays")
    path = folder / f"{stem}.params"
    loaded = ndfile.load(path)
    arrays = loaded if isinstance(loaded, dict) else {}
    # Checksums take as long as reading, and need the interpreter only for a moment.
    with ThreadPoolExecutor(available_cores()) as pool:
        found = dict(zip(arrays, pool.map(_description, arrays.values()), strict=True))
    for name, expected in described.items():
        got = found.get(name, "no such array")
        if got != expected:
            raise FileFormatError(f"{path}: array {name}", expected=expected, got=got, remedy=_REMEDY)
    return Snapshot(folder, head, unflatten(plain, arrays))


def read_head(folder: Path, stem: str = STATE) -> dict[str, Any]:
    """The JSON file alone, checked. Errors as of `read`, but the arrays are not looked at."""
    path = folder / f"{stem}.json"
    try:
        head = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} cannot be read: {error}", remedy=_REMEDY) from None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise FileFormatError(f"{path} is not a snapshot of pushgrad", remedy=_REMEDY)
    major = str(head.get("version")).partition(".")[0]
    if major != str(MAJOR):  # before the checksum, which another version may compute otherwise
        raise FileFormatError(
            f"{path}: version of the format",
            expected=f"{MAJOR}.x",
            got=head.get("version"),
            remedy="It was written by another version of pushgrad: read it with that one",
        )
    if head.pop("checksum", None) != _checksum(head):
        raise FileFormatError(f"{path} has been changed since it was written: its checksum differs", remedy=_REMEDY)
    if missing := [name for name in HEAD if name not in head and stem == STATE]:
        raise FileFormatError(f"{path} does not say {', '.join(missing)}", remedy=_REMEDY)
    return head


def verify(folder: Path) -> Snapshot:
    """Read all parts of a snapshot, and give the main one. Errors as of `read`."""
    found = read(folder)
    for rank in found.head["parts"]:
        read(folder, part(rank))
    return found


def _described(arrays: Mapping[str, Array]) -> dict[str, dict[str, Any]]:
    """Shape, type and checksum of each array, for JSON."""
    return {name: _description(array) for name, array in arrays.items()}


def _description(array: Array) -> dict[str, Any]:
    return {"shape": list(array.shape), "dtype": array.dtype.name, "crc32": _crc32(array)}


def _crc32(array: Array) -> str:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return f"{zlib.crc32(flat.data if flat.size else b''):08x}"


def _checksum(head: Mapping[str, Any]) -> str:
    """The checksum of a JSON file's content, however it is laid out."""
    return f"{zlib.crc32(json.dumps(head, sort_keys=True).encode()):08x}"
