"""Functions that numpy lacks: erf, gamma, the logarithm of gamma, and its derivative digamma.

On numpy they are compiled loops in double precision, loaded when first used; on cupy those of cupyx.scipy.special.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..array import Array


def erf(xp: Any, x: Array, out: Array) -> None:
    """2/sqrt(pi) times the integral of e^-t^2 from 0 to x."""
    _apply(xp, "erf", x, out)


def gamma(xp: Any, x: Array, out: Array) -> None:
    """The gamma function."""
    _apply(xp, "gamma", x, out)


def gammaln(xp: Any, x: Array, out: Array) -> None:
    """ln |gamma(x)|."""
    _apply(xp, "gammaln", x, out)


def digamma(xp: Any, x: Array, out: Array) -> None:
    """The derivative of gammaln."""
    _apply(xp, "digamma", x, out)


def _apply(xp: Any, name: str, x: Array, out: Array) -> None:
    if xp is np:
        from . import special_compiled as loops

        getattr(loops, name)(x.reshape(-1), out.reshape(-1))
    else:
        from cupyx.scipy import special

        getattr(special, name)(x, out=out)
