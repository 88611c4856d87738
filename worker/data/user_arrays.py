"""Checks of what users pass as data and batch sizes, and its conversion to float32 arrays."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from ...common.errors import DataError, ParameterError
from ..array import Array

ArrayLike: TypeAlias = Any  # numpy array, nested list, or anything with __array__ or __dlpack__
LARGEST_WHOLE = 1 << 24  # up to here float32 holds every whole number
Source: TypeAlias = ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike] | None


def check_batch_size(batch_size: int, rows: int | None = None) -> int:
    """`batch_size` as an int from 1 to `rows` (no upper bound if None). Raises ParameterError for anything else."""
    try:
        size = operator.index(batch_size)
    except TypeError:
        size = 0
    if size < 1 or isinstance(batch_size, bool):  # operator.index(True) is 1, but True is surely a mistake
        raise ParameterError("batch_size", expected="a whole number of 1 or more", got=repr(batch_size))
    if rows is not None and size > rows:
        raise ParameterError(
            "batch_size is larger than the data", expected=f"at most {rows} (the number of examples)", got=size
        )
    return size


def check_seed(seed: int) -> int:
    """`seed` as an int, which counts modulo 2**64. Raises ParameterError for anything but a whole number."""
    try:
        return operator.index(seed)
    except TypeError:
        raise ParameterError("seed", expected="a whole number", got=repr(seed)[:80]) from None


def check_part(num_parts: int, part_index: int) -> None:
    """Raise ParameterError unless 0 <= part_index < num_parts."""
    if num_parts < 1:
        raise ParameterError("num_parts", expected="1 or more", got=num_parts)
    if not 0 <= part_index < num_parts:
        raise ParameterError("part_index", expected=f"0 to {num_parts - 1} (num_parts is {num_parts})", got=part_index)


def as_float32(value: ArrayLike, what: str) -> Array:
    """`value` as a C-ordered float32 array of the same shape, one example per row; not copied if it is one already.

    `what` names it in errors. Raises DataError if it is no array of numbers (numpy's TypeError and ValueError become
    that), has no axis or no elements, or has values beyond the range of float32 or integers that it would round.
    """
    if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
        value = np.from_dlpack(value)
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"its type is {array.dtype}")  # becomes DataError below, like numpy's own refusals
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} is not an array of numbers: {error}") from None
    check_whole(array, what)
    array = as_singles(array, what)
    if array.ndim == 0:
        raise DataError(what, expected="at least one dimension, the first being the examples", got="a single number")
    if math.prod(array.shape) == 0:
        raise DataError(f"{what} is empty", got=f"shape {array.shape}")
    return array


def as_singles(array: Array, what: str) -> Array:
    """Numbers of any type and shape as C-ordered float32; DataError, which begins with `what`, if one is out of range.

    A float64 of 1e300 would become infinite without a word.
    """
    try:
        with np.errstate(over="raise"):
            return np.asarray(array, np.float32, order="C")
    except FloatingPointError:
        raise DataError(f"{what} has values beyond the range of float32", remedy="Scale them first") from None


def check_whole(array: Array, what: str) -> None:
    """Raise DataError, which begins with `what`, if `array` has integers that float32 cannot hold.

    It holds all up to 2**24. A rounded id is another row of an Embedding, a rounded label another class.
    """
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 4 or not array.size:
        return
    if array.min() >= -LARGEST_WHOLE and array.max() <= LARGEST_WHOLE:
        return
    lowest = array & (~array + 1)  # the lowest bit that is set: float32 has 24 from the highest one on
    exact = np.abs(array // np.where(lowest == 0, 1, lowest)) <= LARGEST_WHOLE
    if not exact.all():
        place = tuple(int(axis) for axis in np.argwhere(~exact)[0])
        raise DataError(
            f"{what}: {array[place]}" + (f" at {place if len(place) > 1 else place[0]}" if place else ""),
            expected=f"whole numbers that float32 holds, such as all up to {LARGEST_WHOLE}",
            remedy="Number ids and classes from 0, or pass floats if they may be rounded: array.astype(np.float32)",
        )


def overflows(text: str) -> bool:
    """Whether float32 would make a finite number that is written like this infinite."""
    return bool(text.strip()) and abs(float(text)) > float(np.finfo(np.float32).max) and "inf" not in text.lower()


def is_rounded(text: str) -> bool:
    """Whether this is a whole number, written without point and exponent, that float32 would round."""
    return text.strip().lstrip("+-").isdecimal() and int(np.float32(text)) != int(text)


def named_arrays(source: Source, name: str) -> dict[str, Array]:
    """Float32 arrays by name, in the order of `source`, each with one example per row; {} for None.

    A mapping brings its own names. One array is called `name`, several in a list `_0_name`, `_1_name`, ..., as in
    MXNet. Raises DataError if one of them cannot be used.
    """
    if source is None:
        return {}
    if isinstance(source, Mapping):
        return {str(key): as_float32(value, str(key)) for key, value in source.items()}
    # A list whose items have shapes is several arrays; any other list, such as [[1, 2], [3, 4]], is one array's rows.
    if isinstance(source, list | tuple) and source and all(getattr(one, "shape", ()) for one in source):
        if len(source) == 1:
            return {name: as_float32(source[0], name)}
        return {f"_{i}_{name}": as_float32(value, f"_{i}_{name}") for i, value in enumerate(source)}
    return {name: as_float32(source, name)}


def common_length(arrays: dict[str, Array]) -> int:
    """The common extent of the arrays' first axis, the number of examples. Raises DataError if they differ."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(
            f"data and labels have different numbers of examples: {listed}",
            remedy="The first axis of every array is the example",
        )
    return next(iter(lengths.values()))
