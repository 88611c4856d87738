"""What operators without a kernel compute with on the CPU: numpy, but with functions, sums and products of our own.

numpy's exp, log, tanh and the like are others on each kind of processor, as are BLAS's products, and so are their last
bits. Ours are the same everywhere (functions.py, sums.py, matmul.py). What is rare goes through float64: whatever a
processor makes of the 53rd bit, it is gone when the result has been rounded to 24, but for one in a hundred million
numbers or so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..array import Array
from ..ops import special

_OURS = ("exp", "expm1", "log", "log1p", "tanh")  # of these, exp, log and log1p for float64 as well
_OURS_OF_TWO = ("logaddexp", "power")
_THROUGH_DOUBLE = (
    *("log2", "log10", "cbrt", "sin", "cos", "tan", "arcsin", "arccos", "arctan"),
    *("sinh", "cosh", "arcsinh", "arccosh", "arctanh", "hypot"),
)


def _is_single(*arrays: Any) -> bool:
    """Whether the computation is one of float32, arrays and plain numbers."""
    dtypes = {array.dtype for array in arrays if isinstance(array, np.ndarray)}
    return dtypes == {np.dtype(np.float32)} and not any(isinstance(array, np.float64) for array in arrays)


def _written(made: Array, out: Array | None) -> Array:
    """`made`, or `out` with it."""
    if out is None:
        return made
    if out is not made:
        out[...] = made
    return out


def _target(shape: Any, dtype: Any, out: Array | None) -> Array:
    """Where a compiled loop may write: `out` if it is as the loop wants it."""
    fits = out is not None and out.shape == shape and out.dtype == dtype and out.flags.c_contiguous
    return out if out is not None and fits else np.empty(shape, dtype)


@cache
def _loop(name: str, dtype: np.dtype[Any]) -> Callable[[Array, Array], None] | None:
    """The compiled function of that name for that type; None if there is none."""
    # Imported when first needed: declaring a compiled loop imports numba.
    if dtype == np.float32:
        from .elementwise import FUNCTIONS

        return FUNCTIONS[name]
    if dtype == np.float64:
        from .double_elementwise import FUNCTIONS as OF_DOUBLES

        return OF_DOUBLES.get(name)
    return None


def _function(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """The function of one array that is ours where we have one, and elsewhere `plain`."""

    def apply(x: Any, out: Array | None = None) -> Any:
        loop = _loop(name, x.dtype) if isinstance(x, np.ndarray) else None
        if loop is None:
            return plain(x, out=out)
        if not x.flags.c_contiguous:
            x = np.ascontiguousarray(x)
        target = _target(x.shape, x.dtype, out)
        loop(x.reshape(-1), target.reshape(-1))
        return _written(target, out)

    return apply


def _plain_erf(x: Array, out: Array) -> None:
    """The error function, which numpy lacks."""
    special.erf(np, x, out)


def _function_of_two(name: str) -> Callable[..., Array]:
    """The same, of two arrays that broadcast to each other."""
    plain = getattr(np, name)

    def apply(x: Any, y: Any, out: Array | None = None) -> Array:
        if not _is_single(x, y):
            made: Array = plain(x, y, out=out)
            return made
        from . import elementwise

        pair = np.broadcast_arrays(np.asarray(x, np.float32), np.asarray(y, np.float32))
        left, right = (np.ascontiguousarray(array).reshape(-1) for array in pair)
        target = _target(pair[0].shape, np.float32, out)
        getattr(elementwise, name)(left, right, target.reshape(-1))
        return _written(target, out)

    return apply


def _through_double(name: str) -> Callable[..., Array]:
    plain = getattr(np, name)

    def apply(*arrays: Any, out: Array | None = None) -> Array:
        if not _is_single(*arrays):
            made: Array = plain(*arrays, out=out)
            return made
        wide = (array.astype(np.float64) if isinstance(array, np.ndarray) else array for array in arrays)
        return _written(plain(*wide).astype(np.float32), out)

    return apply


def _fold(plain: Callable[..., Any], is_mean: bool) -> Callable[..., Any]:
    """numpy's sum or mean, but of float32 in double precision, and rounded once."""

    def apply(x: Any, axis: Any = None, dtype: Any = None, out: Array | None = None, keepdims: bool = False) -> Any:
        if not _is_single(x):
            return plain(x, axis=axis, dtype=dtype, out=out, keepdims=keepdims)
        from .sums import sum_over

        named = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = tuple(sorted(each % x.ndim for each in named))
        kept = [1 if each in axes else extent for each, extent in enumerate(x.shape)]
        made = np.empty(kept, dtype or np.float32)
        if not sum_over(
            np.ascontiguousarray(x), axes, made, math.prod(x.shape[each] for each in axes) if is_mean else 1
        ):
            return plain(x, axis=axis, dtype=dtype, out=out, keepdims=keepdims)
        return _written(made if keepdims else made.squeeze(axes)[()], out)

    return apply


def _matmul(x: Any, y: Any, out: Array | None = None) -> Array:
    """numpy's matmul, but of float32 on register tiles of our own: BLAS has others for each kind of processor."""
    if not _is_single(x, y) or min(x.ndim, y.ndim) < 2:
        made: Array = np.matmul(x, y, out=out)
        return made
    if x.shape[-1] != y.shape[-2]:
        raise ValueError(f"matmul: matrices of {x.shape[-2:]} and {y.shape[-2:]}")
    from .matmul import matmul

    stack = x.shape[:-2] if x.shape[:-2] == y.shape[:-2] else np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    target = _target((*stack, x.shape[-2], y.shape[-1]), np.float32, out)
    if not x.shape[-1]:
        target.fill(0)
    elif target.size:
        matmul(_stacked(x, stack), _stacked(y, stack), _stacked(target, stack))
    return _written(target, out)


def _stacked(matrices: Array, stack: tuple[int, ...]) -> Array:
    """Matrices (..., M, N) as (how many there are in `stack`, M, N)."""
    if matrices.shape[:-2] != stack:
        matrices = np.broadcast_to(matrices, (*stack, *matrices.shape[-2:]))
    return matrices.reshape(math.prod(stack), *matrices.shape[-2:])


# A namespace rather than a class: operators ask it for whatever numpy has.
NUMPY = SimpleNamespace(
    **{
        **vars(np),
        **{name: _function(name, getattr(np, name)) for name in _OURS},
        **{name: _function_of_two(name) for name in _OURS_OF_TWO},
        **{name: _through_double(name) for name in _THROUGH_DOUBLE},
        "erf": _function("erf", _plain_erf),
        "matmul": _matmul,
        "sum": _fold(np.sum, False),
        "mean": _fold(np.mean, True),
    }
)
