"""Gradient compression on a worker: what `set_gradient_compression` was given, and the residual of each key.

The codes themselves are made and read by ps/compression.py.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...common.coding import KINDS, Coding
from ...common.errors import ParameterError
from ...ps.compression import INFINITE_FROM, decode, encode
from ..array import Array
from .keys import KeyInfo

_NUMBERS = {"2bit": ("threshold", 0.5, math.inf), "topk": ("ratio", 0.01, 1.0)}  # name, default, upper end


class Compressor:
    """Turns gradients into codes and keeps what they leave out, the residual, to add it to the key's next gradient.

    Compute threads push different keys at the same time, and each key has a residual of its own; the counts are of all.
    """

    def __init__(self, coding: Coding) -> None:
        self.coding = coding
        self._counting = threading.Lock()
        self._plain = self._coded = 0
        self._residuals: dict[str, Array] = {}

    def codes(self, info: KeyInfo, gradient: Array) -> list[Array]:
        """The code (uint8, flat) of each part of `gradient`, which is float32 of the key's shape.

        Raises ParameterError if the key is not float32, DataError if a value is too large for a half-precision coding.
        """
        if info.dtype != np.float32:
            raise ParameterError(f"key {info.key!r}: compression", expected="float32 gradients", got=info.dtype)
        flat = gradient.reshape(-1)
        residual = self._residuals.setdefault(info.name, np.zeros(info.size, np.float32))
        found = [encode(self.coding, flat[p.lo : p.hi], residual[p.lo : p.hi]) for p in info.parts]
        coded = sum(code.nbytes for code in found)
        with self._counting:
            self._plain += flat.nbytes
            self._coded += coded
        return found

    def flaw(self, gradient: Array) -> str | None:
        """ "a value too large for fp16" (or bf16) if `codes` would refuse the gradient for that, else None."""
        bound = INFINITE_FROM.get(self.coding.kind)
        if bound is None or not gradient.size or float(np.abs(gradient).max()) < bound:
            return None
        return f"a value too large for {self.coding.kind}"

    def residuals(self) -> dict[str, Array]:
        """The residual of each key that has been pushed, float32 and flat, by name; the next push changes it."""
        return dict(self._residuals) if self.coding.kind in _NUMBERS else {}

    def restore(self, residuals: Mapping[str, Array]) -> None:
        """Begin with these residuals instead of zeros."""
        self._residuals = {name: array.copy() for name, array in residuals.items()}

    def sizes(self) -> tuple[int, int]:
        """Bytes of all gradients so far, and of their codes."""
        with self._counting:
            return self._plain, self._coded

    def through(self, info: KeyInfo, gradient: Array) -> Array:
        """What a server would make of the code of `gradient`: float32 of the key's shape. Errors as of `codes`."""
        codes = zip(info.parts, self.codes(info, gradient), strict=True)
        whole = [decode(self.coding, code, part.hi - part.lo) for part, code in codes]
        return np.concatenate(whole).reshape(info.shape)


def make_coding(given: Any) -> Coding | None:
    """The coding that {"type": "2bit", "threshold": 0.5} and the like describe, None for "none".

    Raises ParameterError if the type is unknown, a parameter is not one of that type, or a number is out of range.
    """
    if not isinstance(given, Mapping) or given.get("type") not in (*KINDS, "none"):
        expected = '{"type": ...} with ' + " or ".join((*KINDS, "none"))
        raise ParameterError("gradient compression", expected=expected, got=repr(given))
    kind = given["type"]
    name, default, high = _NUMBERS.get(kind, ("", 0.0, 0.0))
    if unknown := [key for key in given if key not in ("type", name)]:
        raise ParameterError(f"gradient compression {kind}: no parameter {', '.join(map(str, unknown))}")
    if kind == "none":
        return None
    number = given.get(name, default)
    if name and (isinstance(number, bool | str) or not 0 < float(number) <= high or not math.isfinite(number)):
        expected = "a number above 0" if high == math.inf else f"a number above 0, at most {high:g}"
        raise ParameterError(f"gradient compression {kind}: {name}", expected=expected, got=repr(number))
    return Coding(kind, float(np.float32(number)))
