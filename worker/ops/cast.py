"""Cast, and the operators that mark a change of precision or device in MXNet's files.

A graph here has one element type and lives on one device, so Cast only rounds, and the others pass data on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import Array, Arrays, Gradients
from .operator import Step
from .parameters import DType
from .view import Identity

_LARGEST_HALF = 65520.0  # halfway between float16's largest number 65504 and 2^16: from here on it rounds to infinity
_LARGEST_SINGLE = float(np.finfo(np.float32).max)


class Cast(Identity):
    """data rounded to the numbers that `dtype` can hold, but stored in the graph's own type; the shape is data's.

    For an integer type, data is cut towards zero and wraps around, and the gradient passes unchanged. For float16 and
    bfloat16 the gradient is rounded, too, as it would be in that type. float32 and float64 change nothing. NaN and
    infinity are kept, except that bool makes 1 of both.
    """

    aliases = ("cast",)
    dtype = DType()

    def check(self) -> None:
        """Make the output a view of data where nothing is rounded."""
        self.is_view = self.dtype in ("float32", "float64")

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy data, rounded."""
        if self.is_view:
            super().forward(step, inputs, outputs)
        elif self.dtype in _HALVES:
            _HALVES[self.dtype](step.xp, inputs[0], outputs[0])
        elif self.dtype == "bool":
            step.xp.not_equal(inputs[0], 0, out=outputs[0])
        else:
            _to_whole(step.xp, inputs[0], np.iinfo(self.dtype), outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """dy, rounded to half precision if the output is."""
        if self.dtype in _HALVES and in_grads[0] is not None:
            _HALVES[self.dtype](step.xp, out_grads[0], in_grads[0])
        else:
            super().backward(step, out_grads, inputs, outputs, in_grads)


class AmpCast(Identity):
    """data unchanged: the precision is the graph's."""

    canonical = "amp_cast"
    dtype = DType()


class CrossDeviceCopy(Identity):
    """data unchanged: executors keep a graph on one device."""

    canonical = "_CrossDeviceCopy"


def _to_half(xp: Any, data: Array, out: Array) -> None:
    """Write the nearest float16; numbers that are too large become infinite first, since the conversion would warn."""
    out[...] = data
    xp.copyto(out, np.inf, where=data >= _LARGEST_HALF)
    xp.copyto(out, -np.inf, where=data <= -_LARGEST_HALF)
    out[...] = out.astype(np.float16)


def _to_brain(xp: Any, data: Array, out: Array) -> None:
    """Write the nearest bfloat16 (the upper half of a float32), ties to even; NaN stays as it is."""
    # float32's largest number rounds to infinity below; a larger float64 would warn on its way to float32.
    bits = xp.clip(data, -_LARGEST_SINGLE, _LARGEST_SINGLE).astype(np.float32).view(np.uint32)
    # Adding just under half a unit of the upper half, plus its last bit, carries into it exactly when it must round up.
    # The carry would turn some NaN into infinity or zero, hence the copy at the end.
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    out[...] = rounded.view(np.float32)
    xp.copyto(out, data, where=xp.isnan(data))


def _to_whole(xp: Any, data: Array, kind: Any, out: Array) -> None:
    """Cut towards zero; numbers outside the type's range are taken modulo 2^bits, infinity and NaN are left alone."""
    # In floating point rather than by astype: the conversion of a number out of range is undefined in C, and
    # processors differ.
    lowest, count = float(kind.min), 2.0**kind.bits
    xp.trunc(data, out=out)
    # Infinity has no remainder. No number of the type would do: one would hide that a training has diverged.
    number = xp.where(xp.isfinite(out), out, lowest)
    outside = (number < lowest) | (number >= lowest + count)
    wrapped = number - xp.floor((number - lowest) / count) * count
    xp.copyto(out, wrapped, where=outside)


_HALVES: dict[str, Callable[[Any, Array, Array], None]] = {"float16": _to_half, "bfloat16": _to_brain}
