"""mx.lr_scheduler: the learning rate as a function of the number of updates.

`scheduler(num_update)` gives the rate of update `num_update`, counted from 1 as in MXNet. It depends on nothing else,
so every worker, and a training that continues in the middle, computes the same rate. An optimizer sets `base_lr` to
its learning rate, unless a `base_lr` was given here.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from ...common.checks import is_number, whole_number
from ...common.errors import ParameterError
from ...common.shown import ShowsOptions


class LRScheduler(ShowsOptions):
    """Base class: a constant rate, reached through `warmup_steps` updates from `warmup_begin_lr` on.

    With warmup_mode "linear" the rate rises in equal steps, with "constant" it stays at `warmup_begin_lr` until then.
    All schedulers raise ParameterError if an option is out of range. Subclasses override `rate`.
    """

    def __init__(
        self,
        base_lr: float | None = None,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0.0,
        warmup_mode: str = "linear",
    ) -> None:
        if warmup_mode not in ("linear", "constant"):
            raise ParameterError("warmup_mode", expected="linear or constant", got=repr(warmup_mode))
        self._given_lr = base_lr
        self._base_lr = 0.01
        self.warmup_steps = whole_number("warmup_steps", warmup_steps, 0)
        self.warmup_begin_lr, self.warmup_mode = warmup_begin_lr, warmup_mode

    @property
    def base_lr(self) -> float:
        """The rate before it is lowered: the one given to the constructor, or else the optimizer's."""
        return self._base_lr if self._given_lr is None else self._given_lr

    @base_lr.setter
    def base_lr(self, learning_rate: float) -> None:
        self._base_lr = learning_rate

    def __call__(self, num_update: int) -> float:
        """The learning rate of update `num_update`, counted from 1."""
        if num_update >= self.warmup_steps:
            return self.rate(num_update)
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        return self.warmup_begin_lr + (self.base_lr - self.warmup_begin_lr) * num_update / self.warmup_steps

    def rate(self, num_update: int) -> float:
        """The rate of that update, counted from 1, once the warm-up is over; here `base_lr`."""
        return self.base_lr


class FactorScheduler(LRScheduler):
    """Multiply by `factor` after every `step` updates, which need not be a whole number, but not below
    `stop_factor_lr`.
    """

    def __init__(
        self, step: float, factor: float = 1.0, stop_factor_lr: float = 1e-8, base_lr: float | None = None,
        warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear",
    ) -> None:  # fmt: skip
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.step, self.factor = _updates("FactorScheduler: step", step), _factor("FactorScheduler", factor)
        self.stop_factor_lr = stop_factor_lr

    def rate(self, num_update: int) -> float:
        """base_lr * factor ** k, where k multiples of `step` are below `num_update`: updates 1 to step have the base
        rate, as in MXNet.
        """
        # Computed anew each time instead of multiplied on: a training that continues gets the same bits.
        below = max(int(-(-num_update // self.step)) - 1, 0)
        lowered = self.base_lr * self.factor**below
        return max(lowered, min(self.stop_factor_lr, self.base_lr))  # a base rate below the bound is not raised to it


class MultiFactorScheduler(LRScheduler):
    """Multiply by `factor` after each of the numbers of updates in `step`, which must rise."""

    def __init__(
        self, step: Sequence[float], factor: float = 1.0, base_lr: float | None = None,
        warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear",
    ) -> None:  # fmt: skip
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.step = [_updates("MultiFactorScheduler: step", one) for one in step]
        if not self.step or any(a >= b for a, b in zip(self.step, self.step[1:], strict=False)):
            raise ParameterError("MultiFactorScheduler: step", expected="rising numbers of updates", got=list(step))
        self.factor = _factor("MultiFactorScheduler", factor)

    def rate(self, num_update: int) -> float:
        """base_lr * factor ** k, where k of the numbers in `step` are below `num_update`."""
        return self.base_lr * self.factor ** bisect.bisect_left(self.step, num_update)


class _Falling(LRScheduler):
    """From the base rate at the end of the warm-up to `final_lr` at update `max_update`; the latter from then on."""

    def __init__(
        self, max_update: int, base_lr: float | None = None, final_lr: float = 0.0,
        warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear",
    ) -> None:  # fmt: skip
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.max_update = whole_number("max_update", max_update, self.warmup_steps + 1)
        self.final_lr = final_lr

    def rate(self, num_update: int) -> float:
        """final_lr + (base_lr - final_lr) * f(share of the updates done), where f falls from 1 to 0."""
        done = min((num_update - self.warmup_steps) / (self.max_update - self.warmup_steps), 1.0)
        return self.final_lr + (self.base_lr - self.final_lr) * self._left(done)

    def _left(self, done: float) -> float:
        """f: how much of the way down is left when that share of the updates (0 to 1) is done."""
        raise NotImplementedError


class PolyScheduler(_Falling):
    """Falls as (1 - share of the updates done) ** pwr."""

    def __init__(self, max_update: int, base_lr: float | None = None, pwr: float = 2.0, **options: float) -> None:
        super().__init__(max_update, base_lr, **options)  # type: ignore[arg-type]
        self.power = pwr

    def _left(self, done: float) -> float:
        return float((1 - done) ** self.power)


class CosineScheduler(_Falling):
    """Falls along half a cosine, (1 + cos(pi * share of the updates done)) / 2 (Loshchilov and Hutter 2017)."""

    def _left(self, done: float) -> float:
        return (1 + math.cos(math.pi * done)) / 2


def _updates(what: str, value: float) -> float:
    """A number of updates, of 1 or more. ParameterError, with `what`, if it is none."""
    if not is_number(value) or not 1 <= value < math.inf:
        raise ParameterError(what, expected="a number of 1 or more", got=repr(value))
    return int(value) if value == int(value) else float(value)


def _factor(what: str, value: float) -> float:
    if not 0 < value <= 1:
        raise ParameterError(f"{what}: factor", expected="above 0 and at most 1", got=value)
    return float(value)
