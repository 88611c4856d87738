"""How gradients may be compressed on the wire, and how long their codes are. ps/compression.py makes and reads them.

Lengths are here because both ends check them before they look at a code.
"""

from __future__ import annotations

import math
from typing import NamedTuple

KINDS = ("fp16", "bf16", "2bit", "topk")


class Coding(NamedTuple):
    """One of KINDS and its number: 2bit's threshold, the share of elements that topk sends, or 0 for the others."""

    kind: str
    number: float = 0.0

    def kept(self, elements: int) -> int:
        """For topk: how many of `elements` are sent, at least one if there are any."""
        return min(elements, max(1, math.ceil(self.number * elements)))

    def nbytes(self, elements: int) -> int:
        """The length in bytes of the code of `elements` float32 numbers."""
        if self.kind == "2bit":
            return 4 * -(-elements // 16)  # whole 32-bit words of 16 codes each, as MXNet sends them
        if self.kind == "topk":
            return 8 * self.kept(elements)  # a uint32 place and a float32 number each
        return 2 * elements
