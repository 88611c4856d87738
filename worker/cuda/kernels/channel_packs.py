"""How kernels see arrays with channels last: as packs of neighbouring channels, each moved by one access to memory.

In all of `kernels`, `math` names the type of elements: "float16" and "bfloat16" are 16 bits, any other name is float32.
"""

from __future__ import annotations

import math as numbers
from typing import Any

from ...array import Array
from ..compiled_source import Module
from ..device import Device

HALVES = ("float16", "bfloat16")
ALIGNMENT = 16  # bytes, of what a thread moves at once, and of all addresses that cuDNN is given


def pack_size(math: str, *channels: int) -> int:
    """The largest number of elements of a pack, of 16 bytes at most, that divides each of these numbers of channels."""
    return numbers.gcd(ALIGNMENT // (2 if math in HALVES else 4), *channels)


def pack_module(device: Device, name: str, math: str, pack: int, **defines: Any) -> Module:
    """The kernels of source/<name>.cu for packs of that many elements of the type that `math` names."""
    return device.module(name, ELEMENT=element(math), BFLOAT16=int(math == "bfloat16"), PACK=pack, **defines)


def element(math: str) -> str:
    """The type of elements in CUDA C. Sixteen bits are an unsigned short: source/halves.cuh converts them."""
    return "unsigned short" if math in HALVES else "float"


def memory_of(array: Array) -> Array:
    """The elements of an array (N, C, H, W) with channels last as they lie in memory: flat, a view."""
    return array.transpose(0, 2, 3, 1).reshape(-1)
