"""Functions that numpy lacks: erf, gamma, the logarithm of gamma, and its derivative digamma.

For numpy they are compiled loops in double precision, loaded when first used; for cupy, cupyx.scipy.special has them.
In all of them, `x` and `out` are arrays of one shape, and `out` gets the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..array import Array


def erf(xp: Any, x: Array, out: Array) -> None:
    """Write the error function, 2/sqrt(pi) times the integral of e^-t^2 from 0 to x, to `out`, of x's shape."""
    _apply(xp, "erf", x, out)


def gamma(xp: Any, x: Array, out: Array) -> None:
    """Write the gamma function, (x - 1)! for whole x, to `out`, of x's shape."""
    _apply(xp, "gamma", x, out)


def gammaln(xp: Any, x: Array, out: Array) -> None:
    """Write ln |gamma(x)| to `out`, of x's shape."""
    _apply(xp, "gammaln", x, out)


def digamma(xp: Any, x: Array, out: Array) -> None:
    """Write the derivative of gammaln to `out`, of x's shape."""
    _apply(xp, "digamma", x, out)


def _apply(xp: Any, name: str, x: Array, out: Array) -> None:
    if hasattr(xp, name):  # an array module with one of its own
        getattr(xp, name)(x, out=out)
    elif xp.ndarray is np.ndarray:
        # Imported here, because compiling the loops needs numba, which takes long to load and few networks use these.
        from . import special_compiled as loops

        if x.dtype == np.float16:  # which numba does not know
            wide = x.astype(np.float32)
            _apply(xp, name, wide, wide)
            out[...] = wide
            return
        getattr(loops, name)(x.reshape(-1), out.reshape(-1))
    else:
        from cupyx.scipy import special

        getattr(special, name)(x, out=out)
