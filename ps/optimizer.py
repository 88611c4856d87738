"""mx.optimizer: optimizers have a name and plain parameters, so that a server can build one from its description.

To add one: a class with `name`, typed keyword parameters, `state_names` and `apply`; the decorator makes it known to
`create` and `from_description`. The learning rate is not part of an optimizer's description: the workers compute it
from the schedule and send it with each push. The server checks that they agree and needs no step counter of its own.
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
    """Base of all optimizers. `learning_rate` and `lr_scheduler` stay on the worker; `description` has all the rest.

    ParameterError names a parameter that is not a finite number or is out of range. Arrays are contiguous and of the
    key's dtype: `weight` and each state flat, (n,); `rows` (workers, n'), n' >= column + n, one gradient per worker in
    rank order.
    """

    name: ClassVar[str] = ""  # in `create` and in descriptions on the wire
    listed: ClassVar[bool] = True  # whether error messages offer it to users

    def __init__(
        self, learning_rate: float = 0.01, rescale_grad: float = 1.0, lr_scheduler: Schedule | None = None
    ) -> None:
        self.learning_rate = self._number("learning_rate", learning_rate, low=0.0)
        self.rescale_grad = self._number("rescale_grad", rescale_grad)
        self.lr_scheduler = lr_scheduler
        # As in MXNet, the optimizer's learning rate replaces the one that the schedule was made with.
        if lr_scheduler is not None:
            lr_scheduler.base_lr = self.learning_rate  # type: ignore[attr-defined]

    def rate(self, t: int) -> float:
        """The learning rate of step `t`, counted from 0. Schedules count updates from 1, as MXNet's do."""
        return self.learning_rate if self.lr_scheduler is None else float(self.lr_scheduler(t + 1))

    @property
    def state_names(self) -> tuple[str, ...]:
        """The names of the states it keeps per key. Each is of the key's shape and dtype and begins as zeros."""
        return ()

    def description(self) -> dict[str, Any]:
        """A map of plain values, `name` among them, from which `from_description` makes an equal optimizer."""
        raise NotImplementedError

    def apply(
        self, rows: Array, weight: Array, states: dict[str, Array], lr: float, wd_mult: float, column: int = 0
    ) -> None:
        """Update the flat `weight` and `states` in place by the sum of `rows` (workers, n'); `rows` is overwritten.

        Gradients are the elements [column, column + n) of each row, n being the weight's size. `lr` is already
        multiplied by the key's own factor; `wd_mult` is not yet part of the weight decay.
        """
        raise NotImplementedError

    def _number(self, name: str, value: Any, low: float = -math.inf) -> float:
        try:
            # float() would also take True and "0.1": both are more likely a mistake than meant.
            number = math.nan if isinstance(value, (bool, str)) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not (math.isfinite(number) and number >= low):
            expected = "a number" if low == -math.inf else f"a number of at least {low:g}"
            raise ParameterError(f"optimizer {self.name}: {name}", expected=expected, got=repr(value))
        return number


def register(cls: type[Optimizer]) -> type[Optimizer]:
    """Class decorator: make an optimizer known to `create` and `from_description` by its name."""
    _KNOWN[cls.name] = cls
    return cls


def _offered() -> list[str]:
    """The names that users are shown, in alphabetical order."""
    return sorted(name for name, cls in _KNOWN.items() if cls.listed)


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
        """`mom`, the momentum buffer, if momentum is not 0."""
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
        """Sum and update in one fused pass; the arrays are those of Optimizer.apply, of any shape that it allows."""
        # Products of scalars are taken in float64 and rounded to the weight's dtype once. The GPU's update
        # (worker/training/gpu/update.py) does the same: every store must end up with the same bits.
        scalar = weight.dtype.type
        clip = math.inf if self.clip_gradient is None else self.clip_gradient
        numbers = [scalar(value) for value in (lr, self.wd * wd_mult, self.rescale_grad, clip)]
        pairs = tree_pairs(len(rows))
        if self.momentum:
            kernels().sgd_momentum(rows, column, pairs, weight, states["mom"], *numbers, scalar(self.momentum))
        else:
            kernels().sgd(rows, column, pairs, weight, *numbers)


@register
class AddScaled(Optimizer):
    """weight += rescale_grad * gradient, whatever the learning rate. Not for training, so it is not offered to users.

    MXNet's conformance test of the key-value store (tests/nightly/dist_sync_kvstore.py) creates it by the name "test",
    since what the weights must be afterwards can be told from the number of pushes alone.
    """

    name = "test"
    listed = False

    def description(self) -> dict[str, Any]:
        """Name and rescaling."""
        return {"name": self.name, "rescale_grad": self.rescale_grad}

    def apply(
        self, rows: Array, weight: Array, states: dict[str, Array], lr: float, wd_mult: float, column: int = 0
    ) -> None:
        """Sum and add in one fused pass, with shapes as in Optimizer.apply."""
        kernels().add_scaled(rows, column, tree_pairs(len(rows)), weight, weight.dtype.type(self.rescale_grad))


def create(name: str | Optimizer, **parameters: Any) -> Optimizer:
    """The optimizer of that name (in any case) with these parameters; an Optimizer is returned as it is.

    Raises ParameterError if the name or a parameter is unknown (it names the nearest known one), a value is out of
    range, or parameters are given along with an Optimizer.
    """
    if isinstance(name, Optimizer):
        if parameters:
            raise ParameterError(
                f"optimizer {name.name} has been made already; it takes no more parameters", got=", ".join(parameters)
            )
        return name
    cls, known = _class_of(name), parameters_of(name)
    for item in parameters:
        if item not in known:
            raise ParameterError(
                f"optimizer {cls.name}: no parameter {item}{suggestion(item, sorted(known), 'known:')}"
            )
    return cls(**parameters)


def parameters_of(name: str) -> list[str]:
    """The parameters that `create` takes for the optimizer of that name. Raises ParameterError if there is none."""
    return list(inspect.signature(_class_of(name)).parameters)


def _class_of(name: object) -> type[Optimizer]:
    cls = _KNOWN.get(name.lower()) if isinstance(name, str) else None
    if cls is None:
        raise ParameterError(f"no optimizer {name!r}{suggestion(str(name), _offered(), 'known:')}")
    return cls


def from_description(description: Mapping[str, Any]) -> Optimizer:
    """An optimizer equal to the one that `description` came from, except for its learning rate, which is the default.

    Raises ParameterError if the name or an entry is unknown or a value is out of range.
    """
    values = dict(description)
    cls = _class_of(values.pop("name", None))
    known = list(cls().description())  # the wire must not set __init__'s other parameters, such as lr_scheduler
    for item in values:
        if item not in known:
            raise ParameterError(
                f"optimizer {cls.name}: no {item} in a description{suggestion(item, sorted(known), 'known:')}"
            )
    return cls(**values)
