"""Whether values can be used at all: gradients that are NaN or infinite spoil whatever they are added to."""

from __future__ import annotations

import numpy as np

from ...ps.update import all_finite
from ..array import Array

REMEDY = "Lower the learning rate, clip gradients (clip_gradient), or look for bad values in the data"


def flaw(array: Array) -> str | None:
    """ "NaN" or "an infinite value", whichever a float array of any shape has; None if it has neither."""
    if all_finite(array):
        return None
    return "NaN" if np.isnan(array).any() else "an infinite value"
