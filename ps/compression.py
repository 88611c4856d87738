"""Codes of gradients: float32 numbers to bytes (uint8) on a worker, and back on a server. All bytes are little endian.

fp16 and bf16 round to nearest, ties to even. 2bit and topk send only a part of each gradient; the rest, the residual,
stays on the worker and is added to the next gradient. 2bit is MXNet's (src/kvstore/gradient_compression-inl.h), bit for
bit. common/coding.py says how long codes are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..common.coding import Coding
from ..common.errors import DataError
from ..common.wire import WireError
from .update import Array

_PER_BYTE = 4  # codes of 2bit
_SHIFTS = np.array([6, 4, 2, 0], np.uint8)  # the first number has the two highest bits
_UP, _DOWN = 3, 2


# Numbers of at least this magnitude are nearer to the next one, which these codings lack, than to their largest.
INFINITE_FROM = {"fp16": 65520.0, "bf16": float(np.uint32(0x7F7F8000).view(np.float32))}


def encode(coding: Coding, values: Array, residual: Array) -> Array:
    """The code of the flat float32 `values` (n,), as uint8 (coding.nbytes(n),).

    2bit and topk encode `values` + `residual` and leave in the flat float32 `residual` (n,) what they have not sent.
    Raises DataError if a value is too large for fp16 or bf16.
    """
    return _ENCODERS[coding.kind](coding, values, residual)


def decode(coding: Coding, code: Array, elements: int) -> Array:
    """The float32 numbers (elements,) of a code, uint8 (coding.nbytes(elements),).

    Raises WireError `malformed` if they are no such code. The length has been checked with the message.
    """
    return _DECODERS[coding.kind](coding, code, elements)


def _to_half(coding: Coding, values: Array, residual: Array) -> Array:
    with np.errstate(over="ignore"):  # what overflows becomes infinite and is refused below
        half = values.astype("<f2")
    _require_finite(coding, half)
    return half.view(np.uint8)


def _from_half(coding: Coding, code: Array, elements: int) -> Array:
    return code.view("<f2").astype(np.float32)


def _to_brain(coding: Coding, values: Array, residual: Array) -> Array:
    # bfloat16 is the upper half of a float32. Adding 0x7FFF, and 1 more if the lowest bit that stays is 1, carries into
    # the upper half exactly where rounding to nearest even rounds up.
    bits = values.view(np.uint32)
    rounded = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) >> np.uint32(16)
    code = rounded.astype("<u2")
    _require_finite(coding, _from_brain(coding, code.view(np.uint8), values.size))
    return code.view(np.uint8)


def _from_brain(coding: Coding, code: Array, elements: int) -> Array:
    found: Array = (code.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
    return found


def _require_finite(coding: Coding, rounded: Array) -> None:
    if not np.isfinite(rounded).all():
        raise DataError(
            f"a gradient is too large for {coding.kind}",
            remedy="Clip gradients (clip_gradient), lower the learning rate, or compress with bf16 or not at all",
        )


def _to_2bit(coding: Coding, values: Array, residual: Array) -> Array:
    threshold = np.float32(coding.number)
    residual += values
    codes = np.zeros(16 * -(-values.size // 16), np.uint8)  # MXNet's codes come in whole 32-bit words
    here = codes[: values.size]
    here[residual >= threshold] = _UP
    here[residual <= -threshold] = _DOWN
    residual -= _numbers(threshold)[here]  # where nothing is sent this subtracts 0
    found: Array = np.bitwise_or.reduce(codes.reshape(-1, _PER_BYTE) << _SHIFTS, axis=1)
    return found


def _from_2bit(coding: Coding, code: Array, elements: int) -> Array:
    codes = ((code[:, None] >> _SHIFTS) & np.uint8(3)).reshape(-1)
    if (codes == 1).any() or codes[elements:].any():  # 1 means nothing, and what fills the last word must be 0
        raise WireError("malformed", "no code of 2bit")
    found: Array = _numbers(np.float32(coding.number))[codes[:elements]]
    return found


def _numbers(threshold: np.float32) -> Array:
    """What each of the four codes stands for, float32 (4,)."""
    return np.array([0, 0, -threshold, threshold], np.float32)


def _to_topk(coding: Coding, values: Array, residual: Array) -> Array:
    """The largest by magnitude, of equal ones the first: their places (uint32, in order), then the numbers."""
    # np.argpartition would choose arbitrarily among equals. Which ones are sent must depend on the data only.
    residual += values
    kept = coding.kept(values.size)
    size = np.abs(residual)
    least = np.partition(size, values.size - kept)[values.size - kept] if kept else np.float32(0)
    chosen = size > least
    ties = np.flatnonzero(size == least)[: kept - np.count_nonzero(chosen)]
    chosen[ties] = True
    places = np.flatnonzero(chosen).astype("<u4")
    numbers = residual[places].astype("<f4")
    residual[places] = 0
    return np.concatenate([places.view(np.uint8), numbers.view(np.uint8)])


def _from_topk(coding: Coding, code: Array, elements: int) -> Array:
    kept = coding.kept(elements)
    places = code[: 4 * kept].view("<u4")
    # Increasing places are also different ones, and the last one is the largest.
    if kept and not ((places[1:] > places[:-1]).all() and places[-1] < elements):
        raise WireError("malformed", "places of topk must increase and lie in the range")
    found = np.zeros(elements, np.float32)
    found[places] = code[4 * kept :].view("<f4")
    return found


_ENCODERS: dict[str, Callable[[Coding, Array, Array], Array]] = {
    "fp16": _to_half,
    "bf16": _to_brain,
    "2bit": _to_2bit,
    "topk": _to_topk,
}
_DECODERS: dict[str, Callable[[Coding, Array, int], Array]] = {
    "fp16": _from_half,
    "bf16": _from_brain,
    "2bit": _from_2bit,
    "topk": _from_topk,
}
