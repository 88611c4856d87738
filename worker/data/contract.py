"""The contract between an iterator and whoever uses it: each batch is what `provide_data` and `provide_label` say.

Every error names the iterator's class, the number of the batch in its epoch (counted from 0) and what was expected.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...common.errors import DataError
from ..array import Array, Shape
from .data_iter import DataBatch, DataIter
from .iterators import NDArrayIter
from .user_arrays import as_singles, check_whole


def batches(iterator: DataIter, labelled: bool = True) -> Iterator[DataBatch]:
    """The batches that are left in the iterator's epoch, checked; labels may be missing where they are not wanted.

    Each is to be used before the next one is asked for, as it may be a TakenBatch. Raises DataError for a batch that is
    none, has other arrays than the iterator provides or in other shapes, or has more fillers than rows.
    """
    data, label = described(iterator)
    if isinstance(iterator, NDArrayIter) and _is_as_made(iterator):
        while (taken := iterator.taken()) is not None:
            yield taken
        return
    for number, batch in enumerate(iterator):
        where = f"{type(iterator).__name__}, batch {number}"
        if not (hasattr(batch, "data") and hasattr(batch, "label")):
            expected = "a DataBatch(data=[array, ...], label=[array, ...], pad=0)"
            raise DataError(where, expected=expected, got=_kind(batch))
        wanted = labelled or not _is_nothing(batch.label)
        yield DataBatch(
            _arrays(where, "data", batch.data, data),
            _arrays(where, "label", batch.label, label) if wanted else [],
            _pad(where, getattr(batch, "pad", 0), iterator.batch_size),
            getattr(batch, "index", None),
        )


def _is_as_made(iterator: NDArrayIter) -> bool:
    """Whether its batches are what NDArrayIter says and yields, without anything that a subclass changes."""
    kind: Any = type(iterator)
    changed = ("__iter__", "__next__", "provide_data", "provide_label")
    own = getattr(iterator.next, "__func__", None) is NDArrayIter.next
    return own and all(getattr(kind, name) is getattr(NDArrayIter, name) for name in changed)


def described(iterator: DataIter) -> tuple[list[tuple[str, Shape]], list[tuple[str, Shape]]]:
    """Names and shapes of the data and label arrays of the iterator's batches.

    Raises DataError if it lacks them or its batch_size, states them in another form than (name, shape), or has one name
    twice.
    """
    found = [_described(iterator, kind) for kind in ("provide_data", "provide_label")]
    names = [name for name, _ in (*found[0], *found[1])]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{type(iterator).__name__}: two arrays are called {twice}", remedy="Each needs its own name")
    size = getattr(iterator, "batch_size", None)
    for name, shape in (*found[0], *found[1]):
        if not shape or shape[0] != size:
            raise DataError(
                f"{type(iterator).__name__}: shape of {name}",
                expected=f"({size}, ...), its batch_size first",
                got=shape,
            )
    return found[0], found[1]


def _described(iterator: DataIter, kind: str) -> list[tuple[str, Shape]]:
    """`provide_data` or `provide_label` as pairs; an iterator without labels need not have the latter."""
    items = getattr(iterator, kind, None if kind == "provide_data" else [])
    try:
        pairs = [(name, tuple(operator.index(extent) for extent in shape)) for name, shape in items or []]
    except (TypeError, ValueError):
        pairs = []
    if not all(isinstance(name, str) for name, _ in pairs) or (not pairs and (items or kind == "provide_data")):
        raise DataError(
            f"{type(iterator).__name__}.{kind}",
            expected="a list of (name, shape), such as [('data', (100, 784))], or of DataDesc",
            got=repr(items)[:80],
        )
    return pairs


def _arrays(where: str, kind: str, given: Any, wanted: Sequence[tuple[str, Shape]]) -> list[Array]:
    """The batch's arrays of one kind, each compared with its name and shape in `wanted`."""
    items = [] if given is None else given
    if not isinstance(items, list | tuple):
        raise DataError(f"{where}: {kind}", expected="a list of arrays", got=_kind(items))
    if len(items) != len(wanted):
        names = ", ".join(name for name, _ in wanted) or "none"
        raise DataError(f"{where}: {kind}", expected=f"{len(wanted)} arrays ({names})", got=len(items))
    return [_array(where, item, name, shape) for item, (name, shape) in zip(items, wanted, strict=True)]


def _array(where: str, item: Any, name: str, shape: Shape) -> Array:
    """One array as numpy's. Axes of one element count as none: labels (n, 1) are as good as (n,)."""
    if type(item) is np.ndarray and item.dtype == np.float32 and item.shape == shape:
        return item  # as nearly always, in every step
    if isinstance(item, list | tuple) or not (hasattr(item, "__array__") or hasattr(item, "__dlpack__")):
        raise DataError(f"{where}: {name}", expected=f"an array of shape {shape}", got=_kind(item))
    array = np.asarray(item) if hasattr(item, "__array__") else np.from_dlpack(item)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: {name}", expected="numbers", got=f"elements of type {array.dtype}")
    check_whole(array, f"{where}: {name}")
    rows = array.shape[:1]
    if rows != shape[:1] or not _is_same(array.shape[1:], shape[1:]):
        remedy = None if rows == shape[:1] else "Fill a short batch up, and say in `pad` how many rows are fillers"
        raise DataError(f"{where}: {name}", expected=f"shape {shape}", got=array.shape, remedy=remedy)
    return as_singles(array, f"{where}: {name}") if array.dtype.kind == "f" and array.itemsize > 4 else array


def _is_nothing(arrays: Any) -> bool:
    return arrays is None or (isinstance(arrays, list | tuple) and not arrays)


def _is_same(found: Shape, wanted: Shape) -> bool:
    return found == wanted or [n for n in found if n != 1] == [n for n in wanted if n != 1]


def _pad(where: str, pad: Any, batch_size: int) -> int:
    try:
        number = 0 if pad is None else operator.index(pad)
    except TypeError:
        number = -1
    if not 0 <= number <= batch_size:
        raise DataError(
            f"{where}: pad", expected=f"a whole number from 0 to {batch_size}, the batch_size", got=repr(pad)
        )
    return number


def _kind(value: Any) -> str:
    """What a value is, in words for an error."""
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{type(value).__name__} of shape {shape}"
