"""What users hand over as data, checked and turned into float32 arrays."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from ...common.errors import DataError, ParameterError
from ..array import Array

ArrayLike: TypeAlias = Any  # numpy array, nested list, or anything with __array__ or __dlpack__
Source: TypeAlias = ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike] | None


def check_batch_size(batch_size: int, rows: int | None = None) -> int:
    """`batch_size` as an int in 1 to `rows`; ParameterError otherwise."""
    try:
        size = operator.index(batch_size)
    except TypeError:
        size = 0
    if size < 1 or isinstance(batch_size, bool):
        raise ParameterError("batch_size", expected="a whole number of 1 or more", got=repr(batch_size))
    if rows is not None and size > rows:
        raise ParameterError(
            "batch_size is larger than the data", expected=f"at most {rows} (the number of examples)", got=size
        )
    return size


def check_part(num_parts: int, part_index: int) -> None:
    """ParameterError unless 0 <= part_index < num_parts."""
    if num_parts < 1:
        raise ParameterError("num_parts", expected="1 or more", got=num_parts)
    if not 0 <= part_index < num_parts:
        raise ParameterError("part_index", expected=f"0 to {num_parts - 1} (num_parts is {num_parts})", got=part_index)


def as_float32(value: ArrayLike, what: str) -> Array:
    """`value` as a C-ordered float32 array with rows, itself if it is one already; DataError otherwise."""
    if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
        value = np.from_dlpack(value)
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"its type is {array.dtype}")
        with np.errstate(over="raise"):
            array = np.ascontiguousarray(array, np.float32) if array.ndim else array
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} is not an array of numbers: {error}") from None
    except FloatingPointError:
        raise DataError(f"{what} has values beyond the range of float32", remedy="Scale them first") from None
    if array.ndim == 0:
        raise DataError(what, expected="at least one dimension, the first being the examples", got="a single number")
    if math.prod(array.shape) == 0:
        raise DataError(f"{what} is empty", got=f"shape {array.shape}")
    return array


def named_arrays(source: Source, name: str) -> dict[str, Array]:
    """Arrays by name: `name` for one, `_0_name`, `_1_name` ... for a list of several, as MXNet names them."""
    if source is None:
        return {}
    if isinstance(source, Mapping):
        return {str(key): as_float32(value, str(key)) for key, value in source.items()}
    if isinstance(source, list | tuple) and source and all(getattr(one, "shape", ()) for one in source):
        if len(source) == 1:
            return {name: as_float32(source[0], name)}
        return {f"_{i}_{name}": as_float32(value, f"_{i}_{name}") for i, value in enumerate(source)}
    return {name: as_float32(source, name)}


def common_length(arrays: dict[str, Array]) -> int:
    """The number of rows that all arrays have; DataError if they differ."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(
            f"data and labels have different numbers of examples: {listed}",
            remedy="The first axis of every array is the example",
        )
    return next(iter(lengths.values()))
