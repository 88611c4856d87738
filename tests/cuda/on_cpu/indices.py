"""Indexing as cupy does it: indices from arrays that lie outside wrap around, and one element is an array too."""

import numpy as np


def _whole(index, ndim):
    """`index` as a tuple with an Ellipsis, so that even a single element comes as a view."""
    index = index if isinstance(index, tuple) else (index,)
    return index if any(one is Ellipsis for one in index) else (*index, Ellipsis)


def _wrapped(index, shape):
    index = _whole(index, len(shape))
    takes = [0 if one is None or one is Ellipsis else _axes(one) for one in index]
    rest, axis, wrapped = len(shape) - sum(takes), 0, []
    for one, taken in zip(index, takes, strict=True):
        if isinstance(one, list) or (isinstance(one, np.ndarray) and one.dtype.kind in "iu"):
            one = np.asarray(one)
            if one.dtype.kind in "iu" and axis < len(shape) and shape[axis]:
                one = np.remainder(one.astype(np.int64, copy=False), shape[axis])
        wrapped.append(one)
        axis += rest if one is Ellipsis else taken
    return tuple(wrapped)


def _axes(one):
    return max(1, one.ndim) if isinstance(one, np.ndarray) and one.dtype == np.bool_ else 1


def get_item(array, index):
    return array[_wrapped(index, array.shape)]


def set_item(array, index, value):
    array[_wrapped(index, array.shape)] = value


def add_at(ufunc, array, index, *values):
    ufunc.at(array, _wrapped(index, array.shape), *values)
