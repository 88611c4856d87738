"""Placement: on which devices a worker computes, and how many rows of a batch each of them takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...common.errors import ParameterError
from ..array import Rows
from ..context import Context, as_list
from .available import require


@dataclass(frozen=True)
class Placement:
    """The contexts on which a worker computes, all of them usable, and each one's relative share of its rows (loads).

    All CPU contexts are one processor: what they take together is divided among the compute threads.
    """

    contexts: tuple[Context, ...]
    loads: tuple[float, ...]

    @classmethod
    def of(cls, ctx: Any, work_load_list: Sequence[float] | None = None) -> Placement:
        """The placement for what users pass as ctx and work_load_list; without loads all shares are equal.

        Raises DeviceError if a context cannot be used, ParameterError if a GPU is named twice or the loads are not one
        number above 0 for each context.
        """
        contexts = tuple(require(context) for context in as_list(ctx))
        gpus = [context for context in contexts if context.device_type == "gpu"]
        if len(set(gpus)) < len(gpus):
            raise ParameterError("ctx names a GPU twice", got=str(list(contexts)), remedy="Name each GPU once")
        return cls(contexts, _checked(work_load_list, len(contexts)))

    @property
    def gpus(self) -> list[int]:
        """The indices of the GPUs, in the order of the contexts."""
        return [context.device_id for context in self.contexts if context.device_type == "gpu"]

    @property
    def is_mixed(self) -> bool:
        """Whether both the processor and GPUs compute."""
        return 0 < len(self.gpus) < len(self.contexts)

    def identities(self) -> list[str]:
        """A name for each GPU, in order, that no other GPU on any host has; see Device.identity."""
        if not self.gpus:
            return []
        # Imported here: a worker that only uses the processor does without cupy.
        from ..cuda.device import Device

        return [Device.get(index).identity() for index in self.gpus]

    def only_gpus(self) -> Placement:
        """The placement that is left without the processor: the GPUs with their loads."""
        gpus = tuple(context for context in self.contexts if context.device_type == "gpu")
        return Placement(gpus, tuple(self.gpu_loads()))

    def gpu_loads(self) -> list[float]:
        """The loads of the GPUs, in order."""
        pairs = zip(self.contexts, self.loads, strict=True)
        return [load for context, load in pairs if context.device_type == "gpu"]


def _checked(loads: Sequence[float] | None, count: int) -> tuple[float, ...]:
    """Loads as a tuple of `count` numbers, all 1 if none are given."""
    if loads is None:
        return (1.0,) * count
    values = tuple(loads) if isinstance(loads, list | tuple) else ()
    if len(values) != count or not all(isinstance(load, int | float) and 0 < load < 1e9 for load in values):
        raise ParameterError("work_load_list", expected=f"{count} numbers above 0, one per context", got=repr(loads))
    return values


def rows_by_load(total: int, loads: Sequence[float]) -> list[Rows]:
    """Cut `total` rows into consecutive parts (first, last + 1) in proportion to `loads`.

    As in MXNet, each part is rounded and the last one takes what is left. Raises ParameterError if a part would be
    empty.
    """
    sizes = [round(load * total / sum(loads)) for load in loads]
    ends = [min(total, sum(sizes[: i + 1])) for i in range(len(sizes) - 1)] + [total]
    parts = list(zip([0, *ends], ends, strict=False))
    if any(first >= last for first, last in parts):
        raise ParameterError(
            f"{total} rows are too few for {len(loads)} contexts with the loads {list(loads)}",
            expected="at least one row for each",
            remedy="Raise batch_size, or name fewer contexts",
        )
    return parts
