"""On which devices a worker computes, and how many rows of a batch each of them takes."""

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
    """On what a worker computes: contexts that are there, and which share of its rows each one takes.

    All CPU contexts are one processor: what they take together is cut over the compute threads.
    """

    contexts: tuple[Context, ...]
    loads: tuple[float, ...]

    @classmethod
    def of(cls, ctx: Any, work_load_list: Sequence[float] | None = None) -> Placement:
        """From what users pass; without loads all contexts take equal shares. DeviceError, ParameterError."""
        contexts = tuple(require(context) for context in as_list(ctx))
        gpus = [context for context in contexts if context.device_type == "gpu"]
        if len(set(gpus)) < len(gpus):
            raise ParameterError("ctx names a GPU twice", got=str(list(contexts)), remedy="Name each GPU once")
        return cls(contexts, _checked(work_load_list, len(contexts)))

    @property
    def gpus(self) -> list[int]:
        """The indices of the GPUs, in order."""
        return [context.device_id for context in self.contexts if context.device_type == "gpu"]

    @property
    def is_mixed(self) -> bool:
        """Whether the processor computes beside GPUs."""
        return 0 < len(self.gpus) < len(self.contexts)

    def identities(self) -> list[str]:
        """Of the GPUs, in order; see Device.identity."""
        if not self.gpus:
            return []
        from ..cuda.device import Device

        return [Device.get(index).identity() for index in self.gpus]

    def only_gpus(self) -> Placement:
        """The GPUs alone, with their loads."""
        gpus = tuple(context for context in self.contexts if context.device_type == "gpu")
        return Placement(gpus, tuple(self.gpu_loads()))

    def gpu_loads(self) -> list[float]:
        """The loads of the GPUs, in order."""
        pairs = zip(self.contexts, self.loads, strict=True)
        return [load for context, load in pairs if context.device_type == "gpu"]


def _checked(loads: Sequence[float] | None, count: int) -> tuple[float, ...]:
    if loads is None:
        return (1.0,) * count
    values = tuple(loads) if isinstance(loads, list | tuple) else ()
    if len(values) != count or not all(isinstance(load, int | float) and 0 < load < 1e9 for load in values):
        raise ParameterError("work_load_list", expected=f"{count} numbers above 0, one per context", got=repr(loads))
    return values


def rows_by_load(total: int, loads: Sequence[float]) -> list[Rows]:
    """`total` rows in consecutive parts, as MXNet cuts them: each rounded, what is left to the last.

    ParameterError if a part would be empty.
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
