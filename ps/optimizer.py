"""mx.optimizer: optimizers are named, with plain parameters, so that a server builds the same one from its description.

To add one: a class with `name`, typed keyword parameters, `state_names` and `apply`; the decorator makes it known to
`create` and `from_description`. The learning rate is the workers' business: they compute it per step from the schedule
and send it along, so all of them agree and the server holds no clock.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ..common.errors import ParameterError
from ..common.suggestion import suggestion
from .update import Array, kernels, tree_pairs

__all__ = ["SGD", "Optimizer", "create"]

_KNOWN: dict[str, type[Optimizer]] = {}

Schedule = Callable[[int], float]


class Optimizer:
    """Base of all. `learning_rate` and `lr_scheduler` stay on the worker, everything else is in `description`."""

    name: ClassVar[str] = ""

    def __init__(
        self, learning_rate: float = 0.01, rescale_grad: float = 1.0, lr_scheduler: Schedule | None = None
    ) -> None:
        self.learning_rate = self._number("learning_rate", learning_rate, low=0.0)
        self.rescale_grad = self._number("rescale_grad", rescale_grad)
        self.lr_scheduler = lr_scheduler
        if lr_scheduler is not None:
            lr_scheduler.base_lr = self.learning_rate  # type: ignore[attr-defined]

    def rate(self, t: int) -> float:
        """The learning rate of step `t`, counted from 0; schedules count updates from 1, as MXNet does."""
        return self.learning_rate if self.lr_scheduler is None else float(self.lr_scheduler(t + 1))

    @property
    def state_names(self) -> tuple[str, ...]:
        """The states it keeps per key, each of the key's shape and dtype, zero at first."""
        return ()

    def description(self) -> dict[str, Any]:
        """Plain values from which `from_description` makes an equal optimizer."""
        raise NotImplementedError

    def apply(
        self, rows: Array, weight: Array, states: dict[str, Array], lr: float, wd_mult: float, column: int = 0
    ) -> None:
        """Update the flat `weight` and `states` in place by the sum of `rows` (workers, n), which is used up.

        Gradients are the elements of the rows from `column` on, as many as the weight has.
        """
        raise NotImplementedError

    def _number(self, name: str, value: Any, low: float = -math.inf) -> float:
        try:
            number = math.nan if isinstance(value, (bool, str)) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not (math.isfinite(number) and number >= low):
            expected = "a number" if low == -math.inf else f"a number of at least {low:g}"
            raise ParameterError(f"optimizer {self.name}: {name}", expected=expected, got=repr(value))
        return number


def register(cls: type[Optimizer]) -> type[Optimizer]:
    """Class decorator: make an optimizer known by its name."""
    _KNOWN[cls.name] = cls
    return cls


@register
class SGD(Optimizer):
    """Stochastic gradient descent with momentum, weight decay and clipping, as MXNet's.

    g = clip(rescale_grad * grad, clip_gradient) + wd * w;  mom = momentum * mom - lr * g;  w += mom
    (w -= lr * g if momentum is 0).
    """

    name = "sgd"

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        wd: float = 0.0,
        rescale_grad: float = 1.0,
        clip_gradient: float | None = None,
        lr_scheduler: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, rescale_grad, lr_scheduler)
        self.momentum = self._number("momentum", momentum, low=0.0)
        self.wd = self._number("wd", wd, low=0.0)
        self.clip_gradient = None if clip_gradient is None else self._number("clip_gradient", clip_gradient, low=0.0)

    @property
    def state_names(self) -> tuple[str, ...]:
        """mom, if there is momentum."""
        return ("mom",) if self.momentum else ()

    def description(self) -> dict[str, Any]:
        """Everything but the learning rate and its schedule."""
        return {
            "name": self.name,
            "momentum": self.momentum,
            "wd": self.wd,
            "rescale_grad": self.rescale_grad,
            "clip_gradient": self.clip_gradient,
        }

    def apply(
        self, rows: Array, weight: Array, states: dict[str, Array], lr: float, wd_mult: float, column: int = 0
    ) -> None:
        """One fused pass."""
        scalar = weight.dtype.type
        clip = math.inf if self.clip_gradient is None else self.clip_gradient
        numbers = [scalar(value) for value in (lr, self.wd * wd_mult, self.rescale_grad, clip)]
        pairs = tree_pairs(len(rows))
        if self.momentum:
            kernels().sgd_momentum(rows, column, pairs, weight, states["mom"], *numbers, scalar(self.momentum))
        else:
            kernels().sgd(rows, column, pairs, weight, *numbers)


@register
class Test(Optimizer):
    """weight += rescale_grad * gradient: what MXNet's conformance test of the key-value store uses."""

    __test__ = False  # not a test class, whatever pytest thinks of the name
    name = "test"

    def description(self) -> dict[str, Any]:
        """The rescaling."""
        return {"name": self.name, "rescale_grad": self.rescale_grad}

    def apply(
        self, rows: Array, weight: Array, states: dict[str, Array], lr: float, wd_mult: float, column: int = 0
    ) -> None:
        """One fused pass."""
        kernels().add_scaled(rows, column, tree_pairs(len(rows)), weight, weight.dtype.type(self.rescale_grad))


def create(name: str | Optimizer, **parameters: Any) -> Optimizer:
    """The optimizer of that name with these parameters; an Optimizer is returned as it is.

    ParameterError if the name or a parameter is unknown (with the nearest known one) or a value is out of range.
    """
    if isinstance(name, Optimizer):
        if parameters:
            raise ParameterError(
                f"optimizer {name.name} is made already; it takes no more parameters", got=", ".join(parameters)
            )
        return name
    cls = _class_of(name)
    known = list(inspect.signature(cls).parameters)
    for item in parameters:
        if item not in known:
            raise ParameterError(
                f"optimizer {cls.name}: no parameter {item}{suggestion(item, sorted(known), 'known are')}"
            )
    return cls(**parameters)


def _class_of(name: object) -> type[Optimizer]:
    cls = _KNOWN.get(name.lower()) if isinstance(name, str) else None
    if cls is None:
        raise ParameterError(f"no optimizer {name!r}{suggestion(str(name), sorted(_KNOWN), 'known are')}")
    return cls


def from_description(description: Mapping[str, Any]) -> Optimizer:
    """The optimizer that `description` came from, but for its learning rate. ParameterError if it is none."""
    values = dict(description)
    cls = _class_of(values.pop("name", None))
    known = cls().description()
    for item in values:
        if item not in known:
            raise ParameterError(
                f"optimizer {cls.name}: no {item} in a description{suggestion(item, sorted(known), 'known are')}"
            )
    return cls(**values)
