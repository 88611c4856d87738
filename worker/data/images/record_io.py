"""MXNet's classes for RecordIO files: sequential reading and writing, and access by key through an index file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Self

from ....common.errors import FileFormatError, ParameterError
from ....common.missing_file import remedy_for
from ...atomic_files import PathLike
from .records import RecordFile, read_index, write_record


class MXRecordIO:
    """A RecordIO file open for reading (flag "r") or writing (flag "w", which empties it); also a context manager.

    Raises ParameterError for another flag and for reading from a file open for writing or the reverse, FileFormatError
    if the file cannot be opened or is damaged. A forked process may go on reading, from its own position. It must not
    write, because both processes would then write over each other.
    """

    def __init__(self, uri: PathLike, flag: str) -> None:
        if flag not in ("r", "w"):
            raise ParameterError("MXRecordIO: flag", expected="'r' or 'w'", got=repr(flag))
        self.uri, self.flag, self.writable = os.fspath(uri), flag, flag == "w"
        self.is_open = False
        self.open()

    def open(self) -> None:
        """Open the file at its beginning; for writing this empties it. Raises FileFormatError if that fails."""
        self._source: RecordFile | None = None
        self._stream: IO[bytes] | None = None
        if self.writable:
            self._stream = _open_empty(self.uri)
        else:
            self._source = RecordFile(self.uri)
        self._position, self.pid, self.is_open = 0, os.getpid(), True

    def close(self) -> None:
        """Close the file. Closing it again does nothing."""
        self.is_open = False
        for file in (self._source, self._stream):
            if file is not None:
                file.close()

    def reset(self) -> None:
        """Go back to the first record; for writing this empties the file. Raises FileFormatError if that fails."""
        self.close()
        self.open()

    def write(self, buf: bytes) -> None:
        """Append one record. Raises ParameterError if `buf` is no bytes or the file is not open for writing here.

        Raises DataError if the record is longer than the format allows.
        """
        if not isinstance(buf, bytes | bytearray | memoryview):
            raise ParameterError("MXRecordIO.write", expected="bytes", got=type(buf).__name__)
        self._position += write_record(self._writing(), bytes(buf))

    def read(self) -> bytes | None:
        """The content of the next record, or None after the last. Raises ParameterError, FileFormatError."""
        source = self._reading()
        if self._position >= source.size:
            return None
        content, self._position = source.read(self._position)
        return content

    def tell(self) -> int:
        """The byte offset at which the next record begins."""
        return self._position

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "is_open", False):  # the attribute is missing if __init__ refused the flag
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        if self.writable:
            raise ParameterError(f"{self.uri} is open for writing, and only this process can write to it")
        # Open files do not survive pickling: the copy opens the file itself and goes to the same position.
        return {name: value for name, value in vars(self).items() if not name.endswith(("_source", "_stream"))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        was_open, position = state["is_open"], state["_position"]
        vars(self).update(state, is_open=False, _source=None, _stream=None)
        if was_open:
            self.open()
            self._position = position

    def _writing(self) -> IO[bytes]:
        if self._stream is None or not self.is_open:
            raise ParameterError(f"{self.uri} is not open for writing")
        if self.pid != os.getpid():
            raise ParameterError(
                f"{self.uri} was opened for writing by process {self.pid}, of which this one is a fork"
            )
        return self._stream

    def _reading(self) -> RecordFile:
        if self._source is None or not self.is_open:
            raise ParameterError(f"{self.uri} is not open for reading")
        return self._source


class MXIndexedRecordIO(MXRecordIO):
    """A RecordIO file with an index file of lines "key, tab, offset", so that records can be read by key.

    `idx` maps keys to byte offsets, `keys` lists the keys in the index file's order, and `key_type` converts a key from
    its text. Errors are those of MXRecordIO; the index file is checked in the same way.
    """

    def __init__(self, idx_path: PathLike, uri: PathLike, flag: str, key_type: Callable[[Any], Any] = int) -> None:
        self.idx_path, self.key_type = os.fspath(idx_path), key_type
        super().__init__(uri, flag)

    def open(self) -> None:
        """Open both files at their beginnings; for writing this empties them. Raises FileFormatError if that fails."""
        super().open()
        self.idx: dict[Any, int] = {}
        self._index_stream: IO[bytes] | None = None
        try:
            if self.writable:
                self._index_stream = _open_empty(self.idx_path)
            else:
                self.idx = {self._key(text): offset for text, offset in read_index(self.idx_path).items()}
        except BaseException:
            self.close()
            raise
        self.keys = list(self.idx)

    def close(self) -> None:
        """Close both files."""
        super().close()
        if getattr(self, "_index_stream", None) is not None:  # opening may have failed before there was one
            self._index_stream.close()  # type: ignore[union-attr]

    def seek(self, idx: Any) -> None:
        """Make the record with the key `idx` the one that `read` returns next. ParameterError if there is none."""
        if idx not in self.idx:
            raise ParameterError(f"{self.idx_path} has no record {idx!r}", expected=f"one of its {len(self.idx)} keys")
        self._position = self.idx[idx]

    def read_idx(self, idx: Any) -> bytes:
        """The content of the record with the key `idx`, after which `read` goes on.

        Raises ParameterError if there is no such key, FileFormatError if its record is damaged or not in the file.
        """
        self.seek(idx)
        content = self.read()
        if content is None:
            raise FileFormatError(f"{self.idx_path}: record {idx!r} lies beyond the end of {self.uri}")
        return content

    def write_idx(self, idx: Any, buf: bytes) -> None:
        """Append a record under the key `idx`. Raises ParameterError if a record with that key was written before."""
        key = self.key_type(idx)
        if key in self.idx:
            raise ParameterError(f"{self.idx_path} has a record {key!r} already")
        position = self.tell()
        self.write(buf)
        assert self._index_stream is not None  # otherwise write() would have raised
        self._index_stream.write(f"{key}\t{position}\n".encode())
        self.idx[key] = position
        self.keys.append(key)

    def _key(self, text: str) -> Any:
        """A key from its text in the index file."""
        try:
            return self.key_type(text)
        except Exception:  # whatever `key_type` is
            wanted = getattr(self.key_type, "__name__", "key")
            raise FileFormatError(f"{self.idx_path}: a key that is not a valid {wanted}", got=repr(text[:60])) from None


def _open_empty(path: str) -> IO[bytes]:
    """The file emptied and opened for writing; FileFormatError if that fails."""
    try:
        return Path(path).open("wb")
    except OSError as error:
        raise FileFormatError(f"{path} cannot be written: {error.strerror}", remedy=remedy_for(path, error)) from None
