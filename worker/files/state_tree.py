"""Trees of plain values and arrays, as JSON with the arrays beside it.

A tree is made of dicts with texts as keys, lists, texts, numbers, True, False, None and numpy arrays. In JSON an array
is {"$array": "model/arg_params/fc1_weight"}, its path in the tree, and a number that JSON lacks {"$number": "nan"}.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...common.errors import ParameterError
from ..array import Array
from .ndfile_reader import CODES


def flatten(tree: Any, what: str = "state") -> tuple[Any, dict[str, Array]]:
    """The tree for `json.dumps`, and its arrays by path. Tuples become lists, numpy's numbers become Python's.

    Arrays are copied only if they are not in order C and of the machine's byte order. Raises ParameterError, which
    names the path below `what`, for anything else in it.
    """
    arrays: dict[str, Array] = {}
    return _plain(tree, (), what, arrays), arrays


def unflatten(plain: Any, arrays: Mapping[str, Array]) -> Any:
    """The tree that `flatten` was given. Raises KeyError for an array that is not there."""
    if isinstance(plain, list):
        return [unflatten(item, arrays) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if "$array" in plain:
        return arrays[plain["$array"]]
    if "$number" in plain:
        return float(plain["$number"])
    return {name: unflatten(item, arrays) for name, item in plain.items()}


def copied(tree: Any, what: str) -> Any:
    """The tree with copies of its arrays, and lists for tuples. Errors as of `flatten`."""
    plain, arrays = flatten(tree, what)
    return unflatten(plain, {name: array.copy() for name, array in arrays.items()})


def _plain(tree: Any, path: tuple[str, ...], what: str, arrays: dict[str, Array]) -> Any:
    if isinstance(tree, np.generic):
        tree = tree.item()
    if tree is None or isinstance(tree, bool | int | str):
        return tree
    if isinstance(tree, float):
        return tree if math.isfinite(tree) else {"$number": repr(tree)}
    if isinstance(tree, np.ndarray) and tree.dtype.newbyteorder("=") in CODES:
        return {"$array": _named(tree, "/".join(path), arrays)}
    if isinstance(tree, list | tuple):
        return [_plain(item, (*path, str(index)), what, arrays) for index, item in enumerate(tree)]
    if isinstance(tree, Mapping) and all(isinstance(name, str) and not name.startswith("$") for name in tree):
        return {name: _plain(item, (*path, name), what, arrays) for name, item in tree.items()}
    raise ParameterError(
        "/".join((what, *path)),
        expected="dicts by names, lists, texts, numbers and arrays of numbers",
        got=f"{type(tree).__name__} {tree!r:.60}",
    )


def _named(array: Array, name: str, arrays: dict[str, Array]) -> str:
    while name in arrays:  # names may have slashes in them
        name += "'"
    arrays[name] = np.asarray(array, array.dtype.newbyteorder("="), order="C")
    return name
