"""Rows of a key as callers give them: ids in any order and more than once, and an array with a row for each."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.errors import ParameterError
from ...ps.row_sparse import RowGradient, summed_rows
from ..array import Array
from .keys import KeyInfo, fitting, to_numpy


def rows_of(info: KeyInfo, given: Any) -> Array:
    """`given`, k ids in any shape and order, as (k,) int64; ParameterError naming the key unless all are rows of it."""
    ids: Array = to_numpy(given)
    if not info.shape:
        raise ParameterError(f"key {info.key!r} has no rows", got="shape ()")
    limit = info.shape[0]
    # Whole numbers of a float dtype will do: MXNet's arrays are float32 unless told otherwise.
    if ids.size and (ids.dtype.kind not in "iu" and not (ids == np.trunc(ids)).all()):
        raise ParameterError(f"key {info.key!r}: row_ids", expected="whole numbers", got=ids.reshape(-1)[:8])
    if ids.size and not 0 <= ids.min() <= ids.max() < limit:
        raise ParameterError(f"key {info.key!r}: row_ids", expected=f"0 to {limit - 1}", got=ids.reshape(-1)[:8])
    return ids.astype(np.int64).reshape(-1)


def some_rows(info: KeyInfo, count: int) -> KeyInfo:
    """What an array with `count` rows of the key must look like, as the KeyInfo of a key of that shape."""
    return KeyInfo(info.key, info.name, (count, *info.shape[1:]), info.dtype)


def row_gradient(info: KeyInfo, given: Any, value: Any) -> RowGradient:
    """Gradient value[i] of row given[i] as ids in increasing order, each once, and their rows (k, width).

    `value` is (ids, *shape of a row); gradients of one row are added up. Raises ParameterError if the key is not
    row-sparse or an id is not a row of it, ShapeError if `value` does not fit.
    """
    if not info.row_sparse:
        raise ParameterError(
            f"key {info.key!r} is not row-sparse", remedy="Initialise it with row_sparse=True, or push all of it"
        )
    ids = rows_of(info, given)
    rows = fitting(some_rows(info, ids.size), value)
    return summed_rows(ids, rows.reshape(ids.size, info.width))
