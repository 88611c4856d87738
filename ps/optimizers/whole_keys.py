"""Optimizers that scale a key's step by norms of the whole key: lamb, lars.

A server holds all ranges of such a key and updates them together. Squares are added in double precision, in an order
that depends on an element's place in the key alone, so that the bits of a norm do not depend on where the key is cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, NamedTuple

from ..update import Array, rules, tree_pairs
from .adam import Moments
from .base import Descent, Step, number, register


class Piece(NamedTuple):
    """A range of a key: its weight and states (n,), and the rows whose elements [column, column + n) are gradients."""

    rows: Array
    column: int
    weight: Array
    states: dict[str, Array]


class WholeKey(Descent):
    """Base of optimizers that need the whole key."""

    whole: ClassVar[bool] = True

    def apply(self, rows: Array, weight: Array, states: dict[str, Array], step: Step, column: int = 0) -> None:
        """Update a key that is one range."""
        self.apply_whole([Piece(rows, column, weight, states)], step)

    def apply_whole(self, pieces: Sequence[Piece], step: Step) -> None:
        """Update all ranges of a key, in the order of their elements, as Optimizer.apply does with one."""
        raise NotImplementedError


@register
@dataclass(eq=False)
class LAMB(Moments, WholeKey):
    """Adam with a rate per layer (You et al., arXiv:1904.00962), as MXNet's.

    g = clip(rescale_grad * grad);  mean and var as in adam, divided by 1 - beta1^t and 1 - beta2^t with
    `bias_correction`;  u = mean / (sqrt(var) + epsilon) + wd * w;  r = |w|, kept between `lower_bound` and
    `upper_bound`;  w -= lr * r / |u| * u (lr * u where r or |u| is 0).
    """

    name = "lamb"
    changing = 2

    _: KW_ONLY
    epsilon: float = number(1e-6, 0.0)
    lower_bound: float | None = number(None, 0.0)
    upper_bound: float | None = number(None, 0.0)
    bias_correction: bool = True

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """The moments' numbers, epsilon, and the divisors of mean and var."""
        powers = (self.beta1**step.t, self.beta2**step.t) if self.bias_correction else (0.0, 0.0)
        return *super().numbers(step, scalar), self.epsilon, 1.0 - powers[0], 1.0 - powers[1]

    def apply_whole(self, pieces: Sequence[Piece], step: Step) -> None:
        """Moments, directions and norms in one pass, the step in another."""
        scalar = pieces[0].weight.dtype.type
        lr, *numbers = self.scalars(step, scalar)
        sums, at = rules().no_squares(), 0
        for rows, column, weight, states in pieces:
            arrays = weight, states["mean"], states["var"]
            rules().lamb(rows, column, tree_pairs(len(rows)), *arrays, at, sums, *numbers)
            at += weight.size
        rate = lr * scalar(self._ratio(*(rules().norm(one, at) for one in sums)))
        for rows, column, weight, _ in pieces:
            rules().add_scaled(rows[:1], column, tree_pairs(1), weight, -rate)

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which a weight's norm is kept."""
        low = 0.0 if self.lower_bound is None else self.lower_bound
        return low, math.inf if self.upper_bound is None else self.upper_bound

    def _ratio(self, of_weight: float, of_direction: float) -> float:
        low, high = self.bounds
        bounded = min(max(of_weight, low), high)
        return bounded / of_direction if bounded and of_direction else 1.0


@register
@dataclass(eq=False)
class LARS(WholeKey):
    """SGD with a rate per layer (You et al., arXiv:1708.03888), as MXNet's.

    lr becomes lr * eta * |w| / (|rescale_grad * grad| + wd * |w| + eps) if both norms are above 0, but not for keys
    whose names end in gamma, beta or bias; the rest is sgd. With `momentum_correction`, momentum is multiplied by the
    rate's change since the last update (Goyal et al., arXiv:1706.02677).
    """

    name = "lars"

    _: KW_ONLY
    momentum: float = number(0.0, 0.0)
    eta: float = number(0.001, 0.0)
    eps: float = number(0.0, 0.0)
    momentum_correction: bool = True

    counts = True

    @property
    def changing(self) -> int:  # type: ignore[override]
        """The momentum."""
        return 1 if self.momentum else 0

    @property
    def state_names(self) -> tuple[str, ...]:
        """`mom`, the momentum buffer, if momentum is not 0."""
        return ("mom",) if self.momentum else ()

    def apply_whole(self, pieces: Sequence[Piece], step: Step) -> None:
        """The sum of gradients and the norms in one pass, sgd in another."""
        scalar = pieces[0].weight.dtype.type
        sums, at = rules().no_squares(), 0
        for rows, column, weight, _ in pieces:
            rules().add_squares(rows, column, tree_pairs(len(rows)), weight, at, sums)
            at += weight.size
        _, *numbers = self.scalars(step, scalar)
        rate = scalar(self._rate(step, *(rules().norm(one, at) for one in sums)))
        update = rules().sgd_momentum if self.momentum else rules().sgd
        for rows, column, weight, states in pieces:
            update(rows[:1], column, tree_pairs(1), weight, *states.values(), rate, *numbers)

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """The momentum, if there is any, corrected for the rate's change."""
        return (self._momentum(step),) if self.momentum else ()

    @staticmethod
    def adapts(key: str) -> bool:
        """Whether that key's rate depends on its norms."""
        return not key.endswith(("gamma", "beta", "bias"))

    def _rate(self, step: Step, of_weight: float, of_gradient: float) -> float:
        if not (self.adapts(step.key) and of_weight and of_gradient):
            return step.rate
        decay = self.wd * step.wd_mult
        return step.rate * self.eta * of_weight / (of_gradient * abs(self.rescale_grad) + decay * of_weight + self.eps)

    def _momentum(self, step: Step) -> float:
        if not (self.momentum_correction and step.last_lr):
            return self.momentum
        return self.momentum * step.lr / step.last_lr
