"""How gradients may be compressed on the wire, and how long their codes are."""

from __future__ import annotations

import math
from typing import NamedTuple

KINDS = ("fp16", "bf16", "2bit", "topk")


class Coding(NamedTuple):
    """One of KINDS and its number: the threshold of 2bit, the share of elements that topk sends, 0 for the others."""

    kind: str
    number: float = 0.0

    def kept(self, elements: int) -> int:
        """topk: how many of `elements` are sent, at least one."""
        return min(elements, max(1, math.ceil(self.number * elements)))

    def nbytes(self, elements: int) -> int:
        """Bytes of the code of `elements` float32 numbers."""
        if self.kind == "2bit":
            return 4 * -(-elements // 16)
        if self.kind == "topk":
            return 8 * self.kept(elements)
        return 2 * elements
