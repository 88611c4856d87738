"""What all optimizers have in common: checked parameters, their description, and the numbers of one update."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from ...common.call_table import Row
from ...common.errors import ParameterError
from ..update import Array, rules, tree_pairs

Schedule = Callable[[int], float]
O = TypeVar("O", bound="type[Optimizer]")  # noqa: E741  an optimizer's class

KNOWN: dict[str, type[Optimizer]] = {}
_ON_THE_WORKER = ("learning_rate", "lr_scheduler")  # these are in no description
_OF_COUNTS = ("begin_num_update", "last_lr")


def number(default: float | None, low: float = -math.inf, below: float = math.inf) -> Any:
    """A parameter that is a finite number in [low, below), or None if that is its default."""
    return field(default=default, metadata={"low": low, "below": below})


def share(default: float) -> Any:
    """A parameter that is at least 0 and less than 1, such as the decay of an average."""
    return number(default, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Step:
    """What an update of a key is told besides its arrays.

    `lr_mult` and `wd_mult` are the key's own factors of the learning rate `lr` and of the weight decay. `t` counts the
    key's updates from 1, earlier trainings included. `last_lr` is the `lr` of the update before, None if there was
    none. `key` is the key's name, and the arrays begin at its element `lo`.
    """

    lr: float
    lr_mult: float = 1.0
    wd_mult: float = 1.0
    t: int = 1
    last_lr: float | None = None
    key: str = ""
    lo: int = 0

    @property
    def rate(self) -> float:
        """The key's learning rate."""
        return self.lr * self.lr_mult


def register(cls: O) -> O:
    """Class decorator: make an optimizer known to `create` and `from_description` by its name."""
    KNOWN[cls.name] = cls
    return cls


@dataclass(eq=False)
class Optimizer:
    """Base of all optimizers. `learning_rate` and `lr_scheduler` stay on the worker; `description` has all the rest.

    `begin_num_update` updates have been made before, as in MXNet, the last of them at the rate `last_lr`; a training
    that goes on sets both. ParameterError names a parameter that is not a finite number or is out of range. Arrays are
    contiguous and of the key's dtype: `weight` and each state flat, (n,); `rows` (workers, n'), n' >= column + n, one
    gradient per worker in rank order.
    """

    learning_rate: float = number(0.01, 0.0)
    _: KW_ONLY
    rescale_grad: float = number(1.0)
    lr_scheduler: Schedule | None = None
    begin_num_update: int = number(0, 0)
    last_lr: float | None = number(None)

    name: ClassVar[str] = ""  # in `create` and in descriptions on the wire
    listed: ClassVar[bool] = True  # whether error messages offer it to users
    counts: ClassVar[bool] = False  # whether an update depends on how many there were before
    lazy: ClassVar[bool] = False  # whether gradients of some rows leave the others alone, weight decay included
    whole: ClassVar[bool] = False  # whether an update needs norms of the whole key

    def __post_init__(self) -> None:
        """Check every parameter. Raises ParameterError."""
        for item in fields(self):
            if item.metadata:
                setattr(self, item.name, self._checked(item.name, item.default, **item.metadata))
            elif isinstance(item.default, bool):
                self._check_flag(item.name)
        self.begin_num_update = int(self.begin_num_update)
        # As in MXNet, the optimizer's learning rate replaces the one that the schedule was made with.
        if self.lr_scheduler is not None:
            self.lr_scheduler.base_lr = self.learning_rate  # type: ignore[attr-defined]

    def rate(self, t: int) -> float:
        """The learning rate of step `t`, counted from 0. Schedules count updates from 1, as MXNet's do."""
        return self.learning_rate if self.lr_scheduler is None else float(self.lr_scheduler(t + 1))

    @property
    def state_names(self) -> tuple[str, ...]:
        """The names of the states it keeps per key. Each is of the key's shape and dtype and begins as zeros."""
        return ()

    def description(self) -> dict[str, Any]:
        """A map of plain values, `name` among them, from which `from_description` makes an equal optimizer."""
        left_out = _ON_THE_WORKER if self.counts else (*_ON_THE_WORKER, *_OF_COUNTS)
        return {"name": self.name} | {
            item.name: getattr(self, item.name) for item in fields(self) if item.name not in left_out
        }

    def going_on(self, updates: int) -> Self:
        """The same optimizer for a training that has made `updates` updates already."""
        found = copy(self)
        found.begin_num_update += updates
        found.last_lr = self.rate(updates - 1) if updates else self.last_lr
        return found

    def apply(self, rows: Array, weight: Array, states: dict[str, Array], step: Step, column: int = 0) -> None:
        """Update the flat `weight` and `states` in place by the sum of `rows` (workers, n'); `rows` is overwritten.

        Gradients are the elements [column, column + n) of each row, n being the weight's size.
        """
        raise NotImplementedError

    def _checked(self, name: str, default: Any, low: float, below: float) -> Any:
        value = getattr(self, name)
        if value is None and default is None:
            return None
        try:
            # float() would also take True and "0.1": both are more likely a mistake than meant.
            found = math.nan if isinstance(value, (bool, str)) else float(value)
        except (TypeError, ValueError):
            found = math.nan
        if not (math.isfinite(found) and low <= found < below):
            expected = "a number" if low == -math.inf else f"a number of at least {low:g}"
            expected += "" if below == math.inf else f" and less than {below:g}"
            raise ParameterError(f"optimizer {self.name}: {name}", expected=expected, got=repr(value))
        return found

    def _check_flag(self, name: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, bool):
            raise ParameterError(f"optimizer {self.name}: {name}", expected="True or False", got=repr(value))


@dataclass(eq=False)
class Descent(Optimizer):
    """Base of the optimizers for training: they have weight decay and clipping, and a kernel of one pass.

    The kernel (ps/rules; on GPUs worker/cuda/source/*update.cu) gets the arrays, then lr, wd, rescale_grad and
    clip_gradient (infinite for none), then what `numbers` gives.
    """

    changing: ClassVar[int] = 0  # how many of `numbers`, the last ones, differ from update to update

    _: KW_ONLY
    wd: float = number(0.0, 0.0)
    clip_gradient: float | None = number(None, 0.0)

    @property
    def kernel(self) -> str:
        """The name of its kernel."""
        return self.name

    def correction(self, t: int) -> float:
        """By what update `t` (from 1) multiplies the learning rate."""
        return 1.0

    def numbers(self, step: Step, scalar: Callable[[float], Any]) -> Sequence[Any]:
        """The kernel's further numbers; `scalar` makes one of the weight's dtype, for those computed in it."""
        return ()

    def scalars(self, step: Step, scalar: Callable[[float], Any]) -> list[Any]:
        """All numbers of the kernel in the weight's dtype, of which `scalar` makes them.

        Products are taken in float64 and rounded once; the GPU's update does the same, so that every store ends up with
        the same bits.
        """
        clip = math.inf if self.clip_gradient is None else self.clip_gradient
        rate = step.lr * self.correction(step.t) * step.lr_mult
        common = (rate, self.wd * step.wd_mult, self.rescale_grad, clip)
        return [scalar(value) for value in (*common, *self.numbers(step, scalar))]

    def row(self, gradient: Array, weight: Array, states: dict[str, Array], numbers: Array) -> Row | None:
        """The update by one gradient as a row of a table of calls; None if there is no compiled function for it.

        `gradient` has as many elements as the flat `weight`; `numbers` (k,), float64, are to hold what `scalars` gives
        for a step when the row is run.
        """
        # A subclass may share the rule's name and update otherwise.
        is_rule = type(self).apply is Descent.apply and weight.dtype == np.float32
        function = rules().BY_RULE.get(self.kernel) if is_rule else None
        if function is None:
            return None
        return Row(function, (gradient, weight, *(states[name] for name in self.state_names), numbers, weight.size))

    def apply(self, rows: Array, weight: Array, states: dict[str, Array], step: Step, column: int = 0) -> None:
        """Sum and update in one fused pass; the arrays are those of Optimizer.apply, of any shape that it allows."""
        arrays = [states[name] for name in self.state_names]
        numbers = self.scalars(step, weight.dtype.type)
        getattr(rules(), self.kernel)(rows, column, tree_pairs(len(rows)), weight, *arrays, *numbers)
