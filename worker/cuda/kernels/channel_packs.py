"""How kernels see arrays with channels last: as packs of neighbouring channels that one access moves."""

from __future__ import annotations

import math as numbers
from typing import Any

from ...array import Array
from ..compiled_source import Module
from ..device import Device

HALVES = ("float16", "bfloat16")
ALIGNMENT = 16  # bytes, of what a thread moves at once, and of all addresses that cuDNN is given


def pack_size(math: str, *channels: int) -> int:
    """Elements of a pack, so that rows of each of these lengths are whole packs.

    `math` names their type: "float16" and "bfloat16" themselves, float32 under any other name.
    """
    return numbers.gcd(ALIGNMENT // (2 if math in HALVES else 4), *channels)


def pack_module(device: Device, name: str, math: str, pack: int, **defines: Any) -> Module:
    """The kernels of source/<name>.cu for packs of that size, of elements as `math` has them."""
    return device.module(name, ELEMENT=element(math), BFLOAT16=int(math == "bfloat16"), PACK=pack, **defines)


def element(math: str) -> str:
    """The type of elements in C."""
    return "unsigned short" if math in HALVES else "float"


def memory_of(array: Array) -> Array:
    """The elements of an array with channels last as they lie in memory, with one axis."""
    return array.transpose(0, 2, 3, 1).reshape(-1)
