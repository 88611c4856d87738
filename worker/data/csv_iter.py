"""Reading csv files of numbers, with errors that name file, line and column, and an iterator over them."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import math
import operator
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ...common.errors import DataError, ParameterError
from ...common.foreign import reading
from ..array import Array, Shape
from .iterators import NDArrayIter
from .user_arrays import LARGEST_WHOLE, check_batch_size, check_part, is_rounded, overflows

_DOUBLES = 1 << 53  # up to here float64 holds every whole number
PathLike = str | os.PathLike[str]
_PACKED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}  # as numpy does


class CSVIter(NDArrayIter):
    """Batches of a csv file's rows: data (batch, *data_shape); labels (batch, *label_shape) from a second file.

    A label shape of (1,) gives labels (batch,). `round_batch` fills a short last batch with the first rows; without
    it that batch is left out. Every epoch begins at the first row. With `num_parts` above 1 this is part `part_index`:
    all parts have equally many consecutive rows, the remainder is left out, and `batch_size` is one part's.
    `skip_header` leaves out line 1 of both files. Raises DataError if a file cannot be read or has another number of
    rows or columns, ParameterError for options out of range.
    """

    def __init__(
        self,
        data_csv: PathLike,
        data_shape: int | Sequence[int],
        label_csv: PathLike | None = None,
        label_shape: int | Sequence[int] = (1,),
        batch_size: int = 128,
        round_batch: bool = True,
        num_parts: int = 1,
        part_index: int = 0,
        skip_header: bool = False,
        data_name: str = "data",
        label_name: str = "softmax_label",
    ) -> None:
        check_batch_size(batch_size)
        check_part(num_parts, part_index)
        data = _shaped(read_csv(data_csv, skip_header), data_shape, data_csv)
        label = None if label_csv is None else _shaped(read_csv(label_csv, skip_header), label_shape, label_csv)
        if label is not None and len(label) != len(data):
            raise DataError(f"{label_csv}", expected=f"{len(data)} rows, as in {data_csv}", got=len(label))
        # Equal parts, so that all workers take equally many steps: none may wait for gradients that never come.
        each = len(data) // num_parts
        rows = slice(part_index * each, (part_index + 1) * each)
        super().__init__(
            data[rows],
            None if label is None else label[rows],
            batch_size,
            last_batch_handle="pad" if round_batch else "discard",
            data_name=data_name,
            label_name=label_name,
        )
        self.num_parts, self.part_index = num_parts, part_index


def read_csv(path: PathLike, skip_header: bool = False) -> Array:
    """A csv file of numbers as a float32 array (rows, columns); blank lines are skipped; .gz, .bz2, .xz are unpacked.

    Raises DataError if the file cannot be read or has no rows, and, with file, line and column, for the first cell that
    is not a number, or is one beyond float32, or a whole number that float32 would round and that is not written with a
    point or exponent; and for the first line of another length.
    """
    with reading(path, DataError):
        return _read(path, skip_header)


def _read(path: PathLike, skip_header: bool) -> Array:
    try:
        # numpy only warns about an empty file and returns an empty array, so look for a row first.
        with _open(path) as stream:
            filled = (line for line in stream if line.strip())
            empty = next(filled, None) is None or (skip_header and next(filled, None) is None)
        if empty:
            raise DataError(f"{path} has no rows of numbers")
        values = np.loadtxt(
            path, np.float64, comments=None, delimiter=",", quotechar='"', ndmin=2, encoding="utf-8-sig",
            skiprows=int(skip_header),
        )  # fmt: skip
        with np.errstate(over="ignore"):  # what becomes infinite is looked for below
            singles = values.astype(np.float32)
        suspects = (np.abs(values) > LARGEST_WHOLE) & (values == np.floor(values))
        # Beyond 2**53 the file may say more than float64 holds, so that its text must be looked at.
        suspects &= (values != singles) | (np.abs(values) >= _DOUBLES)
        if suspects.any() or np.isinf(singles).any():
            _refuse_what_float32_lacks(path, skip_header)
        return singles
    except (EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: a damaged {Path(path).suffix} file ({error})") from None
    except ValueError as error:
        if isinstance(error, DataError):  # raised above; it is a ValueError as well
            raise
        raise _explain(path, skip_header, error) from None


def _shaped(rows: Array, shape: int | Sequence[int], path: PathLike) -> Array:
    """`rows` (N, columns) as (N, *shape), or as (N,) if `shape` is (1,), which is how labels are wanted."""
    try:
        given = tuple(shape) if isinstance(shape, Sequence | np.ndarray) else (shape,)
        extents: Shape = tuple(operator.index(extent) for extent in given)
    except TypeError:
        expected = "a whole number, or several"
        raise ParameterError(f"{path}: shape of a row", expected=expected, got=repr(shape)[:80]) from None
    columns = math.prod(extents)
    if rows.shape[1] != columns or min(extents, default=0) < 1:
        raise DataError(f"{path}", expected=f"{columns} columns for shape {extents}", got=f"{rows.shape[1]} columns")
    return rows.reshape(-1) if extents == (1,) else rows.reshape(-1, *extents)


def _open(path: PathLike) -> TextIO:
    # utf-8-sig: spreadsheets write a byte order mark, which must not become part of the first cell.
    # errors="replace": what is not UTF-8 is not a number either, and `_explain` will name its place.
    unpack = _PACKED.get(Path(path).suffix)
    if unpack is not None:
        return io.TextIOWrapper(unpack(path, "rb"), "utf-8-sig", "replace", newline="")
    return Path(path).open(encoding="utf-8-sig", errors="replace", newline="")


def _refuse_what_float32_lacks(path: PathLike, skip_header: bool) -> None:
    """Raise DataError for the first cell that float32 would make infinite, or that is a whole number it would round."""
    with _open(path) as stream:
        reader = csv.reader(stream)
        for cells in _rows(reader, path):
            for column, cell in enumerate(cells if not skip_header or reader.line_num > 1 else [], 1):
                where = f"{path}, line {reader.line_num}, column {column}"
                if overflows(cell):
                    raise DataError(where, expected="a number within float32's range", got=repr(cell[:40]))
                if is_rounded(cell):
                    remedy = f"Number ids from 0; write {cell.strip()[:40]}.0 if it may be rounded"
                    expected = f"a whole number that float32 holds, such as all up to {LARGEST_WHOLE}"
                    raise DataError(where, expected=expected, got=cell.strip()[:40], remedy=remedy)


def _explain(path: PathLike, skip_header: bool, error: ValueError) -> DataError:
    """The error for a file that numpy refused: reads it again, slowly, to find the first wrong line and column."""
    width = 0
    with _open(path) as stream:
        reader = csv.reader(stream)
        for cells in _rows(reader, path):
            if not any(cell.strip() for cell in cells) or (skip_header and reader.line_num == 1):
                continue
            where, width = f"{path}, line {reader.line_num}", width or len(cells)
            for column, cell in enumerate(cells, 1):
                if not _is_number(cell):
                    remedy = "If line 1 holds names, pass skip_header=True" if reader.line_num == 1 else None
                    got = repr(cell[:40]) if cell.strip() else "an empty cell"
                    return DataError(f"{where}, column {column}", expected="a number", got=got, remedy=remedy)
            if len(cells) != width:
                return DataError(where, expected=f"{width} columns, as in the lines before", got=len(cells))
    return DataError(f"{path} cannot be read as numbers: {error}")


def _rows(reader: Any, path: PathLike) -> Iterator[list[str]]:
    """The rows of a csv reader; DataError where it gives up, as on a cell of more characters than it takes."""
    try:
        yield from reader
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}", expected="cells that are numbers") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python takes 1_000 for a number, numpy's reader does not
