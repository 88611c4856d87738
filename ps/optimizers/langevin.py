"""Stochastic gradient Langevin dynamics: descent with noise, which draws weights from a posterior."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from .base import Descent, Step, number, register


@register
@dataclass(eq=False)
class SGLD(Descent):
    """Stochastic gradient Langevin dynamics (Welling and Teh, ICML 2011), as MXNet's.

    w += -lr / 2 * (clip(rescale_grad * grad) + wd * w) + sqrt(lr) * noise. Noise is normal, by Philox4x32-10 (Salmon et
    al., SC 2011) from `seed`, the key's name, the update's number and the element's place in the key: the same on any
    number of servers and after a break. MXNet draws from its global stream instead.
    """

    name = "sgld"
    counts = True

    _: KW_ONLY
    seed: int = number(0, 0, 2**53)

    def deviation(self, lr: float) -> float:
        """The noise's standard deviation."""
        return math.sqrt(lr)

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """Half the rate and the deviation."""
        return step.rate / 2, self.deviation(step.rate)

    def scalars(self, step: Step, scalar: Callable[[float], Any]) -> list[Any]:
        """After the numbers of the weight's dtype, the whole numbers for noise: seed, key, update, first element."""
        return [*super().scalars(step, scalar), int(self.seed), zlib.crc32(step.key.encode()), step.t, step.lo]
