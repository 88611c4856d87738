"""Gradient descent with momentum in its forms: sgd, nag, signum; and what only adds, for tests of stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from ..update import Array, rules, tree_pairs
from .base import Descent, Optimizer, Step, number, register, share


@register
@dataclass(eq=False)
class SGD(Descent):
    """Stochastic gradient descent with momentum, weight decay and clipping, as MXNet's.

    g = clip(rescale_grad * grad, clip_gradient) + wd * w;  mom = momentum * mom - lr * g;  w += mom
    (w -= lr * g if momentum is 0). Gradients by rows touch these rows alone.
    """

    name = "sgd"
    lazy = True

    _: KW_ONLY
    momentum: float = number(0.0, 0.0)

    @property
    def kernel(self) -> str:
        """One without a state if there is no momentum."""
        return "sgd_momentum" if self.momentum else "sgd"

    @property
    def state_names(self) -> tuple[str, ...]:
        """`mom`, the momentum buffer, if momentum is not 0."""
        return ("mom",) if self.momentum else ()

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """The momentum, if there is one."""
        return (self.momentum,) if self.momentum else ()


@register
@dataclass(eq=False)
class NAG(SGD):
    """Nesterov's accelerated gradient (Nesterov 1983; in this form Sutskever et al., ICML 2013), as MXNet's.

    g = clip(rescale_grad * grad) + wd * w;  w += momentum * (momentum * mom - lr * g) - lr * g;  mom = momentum * mom -
    lr * g. As in MXNet's nag_mom_update, whose output is its input, the second g has the decay of the new weight.
    """

    name = "nag"
    lazy = False

    @property
    def kernel(self) -> str:
        """Without momentum it is sgd."""
        return "nag" if self.momentum else "sgd"


@register
@dataclass(eq=False)
class Signum(SGD):
    """The sign of the momentum (Bernstein et al., "signSGD", arXiv:1802.04434), as MXNet's.

    mom = momentum * mom - (1 - momentum) * (clip(rescale_grad * grad) + wd * w);  w = (1 - lr * wd_lh) * w +
    lr * sign(mom). `wd_lh` is the decay of arXiv:1711.05101. Without momentum it is signsgd, w = (1 - lr * wd) * w -
    lr * sign(grad), where neither `wd_lh` nor clipping means anything.
    """

    name = "signum"
    lazy = False

    _: KW_ONLY
    momentum: float = share(0.9)
    wd_lh: float = number(0.0, 0.0)

    @property
    def kernel(self) -> str:
        """One without a state if there is no momentum."""
        return "signum" if self.momentum else "signsgd"

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """momentum, 1 - momentum, wd_lh; none without momentum."""
        return (self.momentum, scalar(1) - scalar(self.momentum), self.wd_lh) if self.momentum else ()


@register
@dataclass(eq=False)
class AddScaled(Optimizer):
    """weight += rescale_grad * gradient, whatever the learning rate. Not for training, so it is not offered to users.

    MXNet's conformance test of the key-value store (tests/nightly/dist_sync_kvstore.py) creates it by the name "test",
    since what the weights must be afterwards can be told from the number of pushes alone.
    """

    name = "test"
    listed = False
    lazy = True

    def apply(self, rows: Array, weight: Array, states: dict[str, Array], step: Step, column: int = 0) -> None:
        """Sum and add in one fused pass, with shapes as in Optimizer.apply."""
        rules().add_scaled(rows, column, tree_pairs(len(rows)), weight, weight.dtype.type(self.rescale_grad))
