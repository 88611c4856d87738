"""Adam and its kin: adam, adamw, adamax, nadam. Moments begin at zero, so their first updates are corrected for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from .base import Descent, Step, number, register, share

_NOTHING = 1e-20  # a product below it is lost beside 1


@dataclass(eq=False)
class Moments(Descent):
    """Base of optimizers that keep averages of gradients (`mean`) and of their squares or magnitudes (`var`)."""

    counts = True

    learning_rate: float = number(0.001, 0.0)
    _: KW_ONLY
    beta1: float = share(0.9)
    beta2: float = share(0.999)

    @property
    def state_names(self) -> tuple[str, ...]:
        """`mean` and `var`."""
        return "mean", "var"

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """beta1, 1 - beta1, beta2, 1 - beta2."""
        one = scalar(1)
        return self.beta1, one - scalar(self.beta1), self.beta2, one - scalar(self.beta2)

    def _unbiased(self, t: int) -> float:
        return math.sqrt(1.0 - self.beta2**t) / (1.0 - self.beta1**t)


@register
@dataclass(eq=False)
class Adam(Moments):
    """Adam (Kingma and Ba, arXiv:1412.6980), as MXNet's: weight decay is part of the gradient, and is clipped with it.

    g = clip(rescale_grad * grad + wd * w);  mean = beta1 * mean + (1 - beta1) * g;  var = beta2 * var + (1 - beta2) *
    g^2;  w -= lr * sqrt(1 - beta2^t) / (1 - beta1^t) * mean / (sqrt(var) + epsilon). With `lazy_update`, gradients by
    rows touch these rows alone.
    """

    name = "adam"

    _: KW_ONLY
    epsilon: float = number(1e-8, 0.0)
    lazy_update: bool = True

    @property
    def lazy(self) -> bool:  # type: ignore[override]
        """What `lazy_update` says."""
        return self.lazy_update

    def correction(self, t: int) -> float:
        """sqrt(1 - beta2^t) / (1 - beta1^t)."""
        return self._unbiased(t)

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """The moments' numbers and epsilon."""
        return *super().numbers(step, scalar), self.epsilon


@register
@dataclass(eq=False)
class AdamW(Moments):
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter, arXiv:1711.05101), as MXNet 2's.

    g = clip(rescale_grad * grad);  mean and var as in adam;  w -= lr * c * (mean / (sqrt(var) + epsilon) + wd * w),
    with c = sqrt(1 - beta2^t) / (1 - beta1^t), or 1 without `correct_bias`. MXNet 1.9.1 has only its kernel,
    contrib.adamw_update.
    """

    name = "adamw"

    _: KW_ONLY
    epsilon: float = number(1e-6, 0.0)
    correct_bias: bool = True

    def correction(self, t: int) -> float:
        """sqrt(1 - beta2^t) / (1 - beta1^t), or 1."""
        return self._unbiased(t) if self.correct_bias else 1.0

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """The moments' numbers and epsilon."""
        return *super().numbers(step, scalar), self.epsilon


@register
@dataclass(eq=False)
class Adamax(Moments):
    """Adam by the largest gradient (arXiv:1412.6980, section 7), as MXNet's.

    g = clip(rescale_grad * grad + wd * w);  mean = beta1 * mean + (1 - beta1) * g;  var = max(beta2 * var, |g|);
    w -= lr / (1 - beta1^t) * mean / var, and nothing where var is still 0 (where MXNet makes NaN).
    """

    name = "adamax"

    learning_rate: float = number(0.002, 0.0)

    def correction(self, t: int) -> float:
        """1 / (1 - beta1^t)."""
        return 1.0 / (1.0 - self.beta1**t)

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """beta1, 1 - beta1, beta2."""
        return self.beta1, 1.0 - self.beta1, self.beta2


@register
@dataclass(eq=False)
class Nadam(Moments):
    """Adam with Nesterov's momentum (Dozat 2015, cs229.stanford.edu/proj2015/054_report.pdf), as MXNet's.

    With m_t = beta1 * (1 - 0.5 * 0.96^(t * schedule_decay)) and M_t their product up to t: g, mean and var as in adam;
    w -= lr * ((1 - m_t) * g / (1 - M_t) + m_(t+1) * mean / (1 - M_(t+1))) / (sqrt(var / (1 - beta2^t)) + epsilon).
    MXNet multiplies M once for every parameter, so there it depends on how many the network has; here it is each
    parameter's own, as in the report.
    """

    name = "nadam"
    changing = 3

    _: KW_ONLY
    epsilon: float = number(1e-8, 0.0)
    schedule_decay: float = number(0.004, 0.0)

    def _momentum(self, t: int) -> float:
        return self.beta1 * (1.0 - 0.5 * math.pow(0.96, t * self.schedule_decay))

    def _product(self, t: int) -> float:
        product = 1.0
        for one in range(1, t + 1):
            product *= self._momentum(one)
            if product < _NOTHING:  # all factors to come are below 1
                break
        return product

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """The moments' numbers, epsilon, the factors of gradient and mean, and the divisor of var."""
        here, ahead, product = self._momentum(step.t), self._momentum(step.t + 1), self._product(step.t)
        return (
            self.beta1,
            1.0 - self.beta1,
            self.beta2,
            1.0 - self.beta2,
            self.epsilon,
            (1.0 - here) / (1.0 - product),
            ahead / (1.0 - product * ahead),
            1.0 - self.beta2**step.t,
        )
