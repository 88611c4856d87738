"""The RecordIO format of dmlc and MXNet: a file of byte strings that can be read starting from any record.

    u32 0xced7230a, u32 (part << 29 | length), `length` bytes, zeros up to a multiple of 4         (little endian)

A record is one such part of kind 0. If its content has the magic word at a multiple of 4 bytes, it is cut there and the
word left out. The pieces become parts of the kinds 1 (first), 2 (middle) and 3 (last); a reader joins them with that
word again. So wherever the magic word stands at a multiple of 4 bytes of a file, a part begins.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

import numpy as np

from ....common.errors import DataError, FileFormatError
from ....common.foreign import unreadable
from ...array import Array
from ...atomic_files import PathLike

MAGIC = 0xCED7230A
LONGEST = (1 << 29) - 1  # bytes of a record: what the length field holds
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_HEADER = struct.Struct("<II")
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_REMEDY = "It should be a RecordIO file; pack or fetch it again"


def write_record(stream: IO[bytes], content: bytes) -> int:
    """Append one record, and return the number of bytes that it takes in the file.

    Raises DataError if it is longer than the format allows (`LONGEST` bytes).
    """
    if len(content) > LONGEST:
        raise DataError("a record is too long", expected=f"at most {LONGEST} bytes", got=len(content))
    # Offsets in the content are offsets in the file modulo 4, as headers and padded parts are multiples of 4 long.
    words = np.frombuffer(content, "<u4", len(content) // 4)
    cuts = [4 * int(place) for place in np.flatnonzero(words == MAGIC)]
    starts, ends = [0, *(cut + 4 for cut in cuts)], [*cuts, len(content)]
    kinds = [_FIRST, *[_MIDDLE] * (len(cuts) - 1), _LAST] if cuts else [_WHOLE]
    for kind, start, end in zip(kinds, starts, ends, strict=True):
        stream.write(_HEADER.pack(MAGIC, kind << 29 | end - start))
        stream.write(content[start:end])
    padding = -len(content) % 4  # only the last part can need any: cuts are at multiples of 4
    stream.write(bytes(padding))
    return len(starts) * _HEADER.size + len(content) - 4 * len(cuts) + padding


class RecordFile:
    """A RecordIO file opened for reading; its methods may be called from several threads.

    All of them raise FileFormatError, which names the file and the byte offset, if the file cannot be opened, is
    damaged, or was closed. Offsets and sizes are in bytes.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = os.fspath(path)
        try:
            if Path(path).is_dir():
                raise FileFormatError(f"{path} is a folder", remedy=_REMEDY)
            # A bare descriptor, for os.pread: it has no position that threads or forked processes would share.
            self._descriptor: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise unreadable(path, error) from None
        self.size = os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Close the file. Closing it again does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> RecordFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_descriptor", None) is not None:  # the attribute is missing if opening failed
            self.close()

    def read(self, offset: int) -> tuple[bytes, int]:
        """The content of the record at `offset`, and the offset of the next record."""
        kind, length, after = self._part(offset, first=True)
        parts = [self._bytes(offset + _HEADER.size, length)]
        while kind in (_FIRST, _MIDDLE):
            start = after
            kind, length, after = self._part(start, first=False)
            parts.append(self._bytes(start + _HEADER.size, length))
        return _MAGIC_BYTES.join(parts), after

    def offsets(self) -> Array:
        """The offsets at which all records begin: int64 (records,). Reads every header of the file."""
        return np.fromiter(self._starts(), np.int64)

    def check(self, offset: int) -> int:
        """The offset of the record after the one at `offset`. Checks the headers in between and reads no content."""
        kind, _, after = self._part(offset, first=True)
        while kind in (_FIRST, _MIDDLE):
            kind, _, after = self._part(after, first=False)
        return after

    def _starts(self) -> Iterator[int]:
        offset = 0
        while offset < self.size:
            yield offset
            offset = self.check(offset)

    def _part(self, offset: int, first: bool) -> tuple[int, int, int]:
        """Kind and length of the part at `offset`, and the offset of the next part; `first`: a record begins here."""
        if offset + _HEADER.size > self.size:
            self._fail(offset, "truncated, a record's header expected" if first else "truncated within a record")
        magic, word = _HEADER.unpack(self._bytes(offset, _HEADER.size))
        if magic != MAGIC:
            got = f"{magic:08x} instead of {MAGIC:08x}"
            self._fail(offset, f"not a RecordIO file ({got})" if offset == 0 else f"no record begins here ({got})")
        kind, length = word >> 29, word & LONGEST
        if kind not in ((_WHOLE, _FIRST) if first else (_MIDDLE, _LAST)):
            self._fail(offset, f"a part of kind {kind} where a record {'begins' if first else 'goes on'}")
        # Checked before anything of that length is read, so that a header that lies cannot make us allocate 512 MiB.
        after = offset + _HEADER.size + length + -length % 4
        if after > self.size:
            self._fail(offset, f"truncated, a record of {length} bytes announced and {self.size - offset - 8} there")
        return kind, length, after

    def _bytes(self, offset: int, count: int) -> bytes:
        if self._descriptor is None:
            raise FileFormatError(f"{self.path} is closed")
        piece = os.pread(self._descriptor, count, offset)
        if len(piece) != count:
            self._fail(offset, "the file became shorter while it was read")
        return piece

    def _fail(self, offset: int, what: str) -> NoReturn:
        raise FileFormatError(f"{self.path}, byte {offset}: {what}", remedy=_REMEDY)


def read_index(path: PathLike) -> dict[str, int]:
    """The offsets (bytes) in an index file by key, in its order. A line has a key, a tab and an offset.

    Raises FileFormatError if the file cannot be read, and for the first line that has another form or repeats a key.
    """
    found: dict[str, int] = {}
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise unreadable(path, error) from None
    for number, line in enumerate(lines, 1):
        key, tab, offset = line.rpartition(b"\t")
        if not line.strip():
            continue
        name = key.decode(errors="replace")
        digits = offset.strip()
        # Of the length first: Python refuses to read thousands of digits, by an exception of its own.
        if not tab or not digits.isdigit() or len(digits) > 19 or int(digits) >= 1 << 63 or name in found:
            raise FileFormatError(
                f"{path}, line {number}",
                expected="a key of its own, a tab and an offset",
                got=repr(line[:60].decode(errors="replace")),
            )
        found[name] = int(digits)
    return found
