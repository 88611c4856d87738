"""Optimizers with a rate for each element: adagrad, adadelta, rmsprop, ftrl."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from .base import Descent, Step, number, register, share


@register
@dataclass(eq=False)
class AdaGrad(Descent):
    """AdaGrad (Duchi et al., JMLR 12, 2011), as MXNet's.

    g = clip(rescale_grad * grad);  history += g^2;  w -= lr * (g / sqrt(history + eps) + wd * w). Gradients by rows
    touch these rows alone.
    """

    name = "adagrad"
    lazy = True

    _: KW_ONLY
    eps: float = number(1e-7, 0.0)

    @property
    def state_names(self) -> tuple[str, ...]:
        """`history`, the sum of squares."""
        return ("history",)

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """eps."""
        return (self.eps,)


@register
@dataclass(eq=False)
class AdaDelta(Descent):
    """AdaDelta (Zeiler, arXiv:1212.5701), as MXNet's: there is no learning rate, so the one given is not used.

    g = clip(rescale_grad * grad);  acc_g = rho * acc_g + (1 - rho) * g^2;  d = sqrt(acc_delta + epsilon) /
    sqrt(acc_g + epsilon) * g;  acc_delta = rho * acc_delta + (1 - rho) * d^2;  w -= d + wd * w
    """

    name = "adadelta"

    _: KW_ONLY
    rho: float = share(0.9)
    epsilon: float = number(1e-5, 0.0)

    @property
    def state_names(self) -> tuple[str, ...]:
        """`acc_g` and `acc_delta`, averages of squared gradients and of squared changes."""
        return "acc_g", "acc_delta"

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """rho, 1 - rho, epsilon."""
        return self.rho, 1.0 - self.rho, self.epsilon


@register
@dataclass(eq=False)
class RMSProp(Descent):
    """RMSProp (Tieleman and Hinton 2012, lecture 6 of csc321), or `centered` (Graves, arXiv:1308.0850, (38)-(45)).

    As MXNet's: g = clip(rescale_grad * grad + wd * w);  n = gamma1 * n + (1 - gamma1) * g^2;  w -= lr * g /
    sqrt(n + epsilon). Centred: mean = gamma1 * mean + (1 - gamma1) * g;  delta = gamma2 * delta - lr * g /
    sqrt(n - mean^2 + epsilon);  w += delta. `clip_weights` then keeps weights in [-clip_weights, clip_weights].
    """

    name = "rmsprop"

    learning_rate: float = number(0.001, 0.0)
    _: KW_ONLY
    gamma1: float = share(0.9)
    gamma2: float = share(0.9)
    epsilon: float = number(1e-8, 0.0)
    centered: bool = False
    clip_weights: float | None = number(None, 0.0)

    @property
    def kernel(self) -> str:
        """Two versions, as in MXNet."""
        return "rmsprop_centered" if self.centered else "rmsprop"

    @property
    def state_names(self) -> tuple[str, ...]:
        """`n`, the average of squares; centred also `mean` and `delta`."""
        return ("n", "mean", "delta") if self.centered else ("n",)

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """gamma1, 1 - gamma1, epsilon, the bound of the weights; centred also gamma2."""
        bound = math.inf if self.clip_weights is None else self.clip_weights
        shared = self.gamma1, scalar(1) - scalar(self.gamma1), self.epsilon, bound
        return (*shared, self.gamma2) if self.centered else shared


@register
@dataclass(eq=False)
class Ftrl(Descent):
    """Follow the regularised leader (McMahan et al., "Ad click prediction", KDD 2013), as MXNet's.

    g = clip(rescale_grad * grad);  z += g - (sqrt(n + g^2) - sqrt(n)) * w / lr;  n += g^2;  w = (sign(z) * lamda1 - z)
    / ((beta + sqrt(n)) / lr + wd) where |z| > lamda1, else 0. `lamda1` is spelled as there. A weight is made from z
    and n alone, so the first values of weights are forgotten. Gradients by rows touch these rows alone.
    """

    name = "ftrl"
    lazy = True

    learning_rate: float = number(0.1, 0.0)
    _: KW_ONLY
    lamda1: float = number(0.01, 0.0)
    beta: float = number(1.0, 0.0)

    @property
    def state_names(self) -> tuple[str, ...]:
        """`z`, the sum of adjusted gradients, and `n`, that of their squares."""
        return "z", "n"

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """lamda1 and beta."""
        return self.lamda1, self.beta
