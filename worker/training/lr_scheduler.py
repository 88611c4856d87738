"""mx.lr_scheduler: the learning rate as a function of the number of updates.

`scheduler(num_update)` gives the rate of update `num_update`, counted from 1 as in MXNet. It depends on nothing else,
so every worker, and a training that continues in the middle, computes the same rate. An optimizer sets `base_lr` to
its learning rate; a `base_lr` that was given here stands all the same.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from ...common.checks import whole_number
from ...common.errors import ParameterError


class LRScheduler:
    """Base class: a constant rate, reached through `warmup_steps` updates from `warmup_begin_lr` on."""

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
        """The rate before it is lowered: the given one, or the optimizer's."""
        return self._base_lr if self._given_lr is None else self._given_lr

    @base_lr.setter
    def base_lr(self, learning_rate: float) -> None:
        self._base_lr = learning_rate

    def __call__(self, num_update: int) -> float:
        """The learning rate of that update."""
        if num_update >= self.warmup_steps:
            return self.rate(num_update)
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        return self.warmup_begin_lr + (self.base_lr - self.warmup_begin_lr) * num_update / self.warmup_steps

    def rate(self, num_update: int) -> float:
        """The rate after the warm-up."""
        return self.base_lr


class FactorScheduler(LRScheduler):
    """Multiply by `factor` after every `step` updates, not below `stop_factor_lr`."""

    def __init__(
        self, step: int, factor: float = 1.0, stop_factor_lr: float = 1e-8, base_lr: float | None = None,
        warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear",
    ) -> None:  # fmt: skip
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.step, self.factor = whole_number("FactorScheduler: step", step, 1), _factor("FactorScheduler", factor)
        self.stop_factor_lr = stop_factor_lr

    def rate(self, num_update: int) -> float:
        """Updates 1 to step have the base rate, step + 1 to 2 * step one factor, and so on."""
        lowered = self.base_lr * self.factor ** (max(num_update - 1, 0) // self.step)
        return max(lowered, min(self.stop_factor_lr, self.base_lr))


class MultiFactorScheduler(LRScheduler):
    """Multiply by `factor` after each of the numbers of updates in `step`, which rise."""

    def __init__(
        self, step: Sequence[int], factor: float = 1.0, base_lr: float | None = None,
        warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear",
    ) -> None:  # fmt: skip
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.step = [whole_number("MultiFactorScheduler: step", one, 1) for one in step]
        if not self.step or any(a >= b for a, b in zip(self.step, self.step[1:], strict=False)):
            raise ParameterError("MultiFactorScheduler: step", expected="rising numbers of updates", got=list(step))
        self.factor = _factor("MultiFactorScheduler", factor)

    def rate(self, num_update: int) -> float:
        """One factor for each number in `step` that is below `num_update`."""
        return self.base_lr * self.factor ** bisect.bisect_left(self.step, num_update)


class _Falling(LRScheduler):
    """From the base rate to `final_lr` at update `max_update`."""

    def __init__(
        self, max_update: int, base_lr: float | None = None, final_lr: float = 0.0,
        warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear",
    ) -> None:  # fmt: skip
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.max_update = whole_number("max_update", max_update, self.warmup_steps + 1)
        self.final_lr = final_lr

    def rate(self, num_update: int) -> float:
        """The share that `_left` says of the way down, and `final_lr` from max_update on."""
        done = min((num_update - self.warmup_steps) / (self.max_update - self.warmup_steps), 1.0)
        return self.final_lr + (self.base_lr - self.final_lr) * self._left(done)

    def _left(self, done: float) -> float:
        raise NotImplementedError


class PolyScheduler(_Falling):
    """Falling as (1 - share of the updates done) ** pwr."""

    def __init__(self, max_update: int, base_lr: float | None = None, pwr: float = 2.0, **options: float) -> None:
        super().__init__(max_update, base_lr, **options)  # type: ignore[arg-type]
        self.power = pwr

    def _left(self, done: float) -> float:
        return float((1 - done) ** self.power)


class CosineScheduler(_Falling):
    """Falling along half a cosine."""

    def _left(self, done: float) -> float:
        return (1 + math.cos(math.pi * done)) / 2


def _factor(what: str, value: float) -> float:
    if not 0 < value <= 1:
        raise ParameterError(f"{what}: factor", expected="above 0 and at most 1", got=value)
    return float(value)
