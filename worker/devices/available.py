"""Which devices this process can use: questions to the machine, and errors that say what is missing."""

from __future__ import annotations

from ...common.errors import DeviceError
from ..context import Context
from .gpu_answers import Machine
from .gpu_questions import Absent, Lookups
from .gpu_report import MISSING, GpuParts, Part

_LOOKUPS: Lookups = Machine()


def num_gpus() -> int:
    """The number of GPUs that cupy sees; 0 if cupy, a driver that fits it, or a device is missing. Raises nothing."""
    parts = GpuParts(_LOOKUPS)
    if parts.driver().state == MISSING or parts.cupy().state == MISSING:
        return 0
    try:
        return len(_LOOKUPS.gpus())
    except Absent:
        return 0


def require(ctx: Context) -> Context:
    """Return `ctx` if it can be used here. Raises DeviceError, which says what is missing and how to get it, if not."""
    if ctx.device_type == "cpu":
        return ctx
    # Driver, cupy and libraries come first: without them CUDA would answer the question about GPUs with an error
    # that names a consequence and not the cause.
    parts = GpuParts(_LOOKUPS)
    _refuse(ctx, parts.first_missing())
    try:
        gpus = _LOOKUPS.gpus()
    except Absent as why:
        _refuse(ctx, parts.no_gpu(f"CUDA reports {why}"))
    if not gpus:
        _refuse(ctx, parts.no_gpu("no GPU is visible"))
    if ctx.device_id >= len(gpus):
        raise DeviceError(
            f"{ctx} is not there: {len(gpus)} GPU{'s are' if len(gpus) != 1 else ' is'} visible",
            remedy=f"Use {'mx.gpu(0)' if len(gpus) == 1 else f'mx.gpu(0) to mx.gpu({len(gpus) - 1})'}, or look at "
            "CUDA_VISIBLE_DEVICES",
        )
    _refuse(ctx, parts.gpu(ctx.device_id, gpus[ctx.device_id]))
    return ctx


def _refuse(ctx: Context, part: Part | None) -> None:
    """Raise DeviceError if that part is missing."""
    if part is not None and part.state == MISSING:
        remedy = f"{part.remedy}. `pushgrad doctor` looks at everything that a GPU needs"
        raise DeviceError(f"{ctx} cannot be used: {part.found}", remedy=remedy)
