"""Turns the arrays that users pass into iterators. A matrix has its examples in rows, or in columns as in R."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.errors import DataError, ParameterError
from ..array import Array
from ..data.contract import described
from ..data.data_iter import DataIter
from ..data.iterators import NDArrayIter
from ..data.user_arrays import as_float32
from ..graphs.graph import Graph
from .feeding import only_ending

LAYOUTS = ("auto", "rowmajor", "colmajor")
DEFAULT_BATCH = 128  # examples per step over the whole job


def check_layout(layout: str) -> str:
    """Return `layout` itself. Raises ParameterError if it is none of auto, rowmajor, colmajor."""
    if layout not in LAYOUTS:
        raise ParameterError("array_layout", expected=" or ".join(LAYOUTS), got=repr(layout))
    return layout


def training_iterator(
    symbol: Graph, X: Any, y: Any, batch_size: int | None, layout: str, shuffle: bool, notes: list[str]
) -> DataIter:
    """An iterator over X (examples, ...), or a matrix in that layout, and y (examples, ...); X may be one already.

    Lines for the log are added to `notes`. `batch_size` None is 128, or all examples if there are fewer.
    Raises DataError if X and y do not go together or are not arrays of numbers, ParameterError if `batch_size` is
    wrong, GraphError if the network has not exactly one data and one label argument.
    """
    if isinstance(X, DataIter):
        if y is not None:
            raise DataError("y was given along with an iterator", remedy="Let the iterator yield the labels.")
        described(X)  # before anything is made of what it says of itself
        return X
    if y is None:
        raise DataError("labels are missing: y is None", remedy="Pass y, or an iterator that yields labels.")
    labels = as_float32(y, "y")
    data = by_rows(as_float32(X, "X"), len(labels), layout, notes)
    if len(data) != len(labels):
        raise DataError(
            f"X and y have different numbers of examples: X has {len(data)} (shape {data.shape}), y has {len(labels)}",
            remedy="The examples are the first axis of X, or the last one of a matrix",
        )
    # A batch_size that was asked for is not lowered: results depend on it, so more than there are is an error.
    size = min(DEFAULT_BATCH, len(data)) if batch_size is None else batch_size
    data_name, label_name = only_ending(symbol, "data"), only_ending(symbol, "label")
    return NDArrayIter(data, labels, size, shuffle, data_name=data_name, label_name=label_name)


def evaluation_iterator(
    symbol: Graph, data: Any, batch_size: int | None, layout: str, where: str = "eval_data"
) -> DataIter:
    """An iterator over the argument `where`, which is one already, a pair (X, y), or a dict of data and label.

    Raises DataError if it is none of these; all else as `training_iterator`, except that the order stays as given.
    """
    if isinstance(data, DataIter):
        described(data)
        return data
    if isinstance(data, dict) and {"data", "label"} <= data.keys():
        data = (data["data"], data["label"])
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise DataError(where, expected="an iterator, (X, y), or a dict of data and label", got=type(data).__name__)
    # Often there are fewer examples than in a training batch, which would be an error in training.
    size = None if batch_size is None else min(batch_size, len(data[1]))
    return training_iterator(symbol, data[0], data[1], size, layout, False, [])


def prediction_iterator(
    symbol: Graph, X: Any, batch_size: int | None, layout: str, params: dict[str, Array]
) -> DataIter:
    """An iterator over X (examples, ...) without labels; X may be one already.

    There are no labels to count, so a matrix whose layout is "auto" is taken in the one that fits the shapes of
    `params`. Raises DataError if X is not an array of numbers, GraphError if the network has several data arguments.
    """
    if isinstance(X, DataIter):
        described(X)
        return X
    data, name = as_float32(X, "X"), only_ending(symbol, "data")
    if data.ndim == 2:
        data = _by_fit(symbol, name, data, layout, params)
    return NDArrayIter(data, batch_size=min(batch_size or DEFAULT_BATCH, len(data)), data_name=name)


def by_rows(data: Array, examples: int, layout: str, notes: list[str]) -> Array:
    """The matrix with one example per row: (examples, features), whichever way round `data` has it.

    "auto" takes the axis that has as many entries as there are labels for that of the examples, as R does. Arrays that
    are not 2-D are returned as they are. Raises DataError if both axes have that many entries.
    """
    if data.ndim != 2 or layout == "rowmajor":
        return data
    if layout == "auto":
        if data.shape[0] == data.shape[1] == examples:
            raise DataError(
                f"cannot tell whether rows or columns of the {examples}x{examples} matrix are the examples",
                remedy='Say array_layout="rowmajor" or "colmajor".',
            )
        layout = "colmajor" if data.shape[1] == examples and data.shape[0] != examples else "rowmajor"
        if examples in data.shape:  # else an error follows
            notes.append(f"Auto detect layout of input matrix, use {layout}..")
    return np.ascontiguousarray(data.T) if layout == "colmajor" else data


def _by_fit(symbol: Graph, name: str, data: Array, layout: str, params: dict[str, Array]) -> Array:
    """The matrix (examples, features); "auto" prefers rows as examples where both ways, or neither, fit."""
    if layout == "auto":
        ways = (("rowmajor", 1), ("colmajor", 0))
        layout = next((form for form, axis in ways if _fits(symbol, name, data.shape[axis], params)), "rowmajor")
    return np.ascontiguousarray(data.T) if layout == "colmajor" else data


def _fits(symbol: Graph, name: str, features: int, params: dict[str, Array]) -> bool:
    """Whether the trained parameters can take examples of so many features."""
    arguments = symbol.list_arguments()
    shapes = {key: array.shape for key, array in params.items() if key in arguments}
    try:
        symbol.infer_all(**{name: (1, features)}, **shapes)  # the number of examples plays no part
    except ValueError:  # ShapeError and GraphError are ValueErrors
        return False
    return True
