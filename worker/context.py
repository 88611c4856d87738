"""Devices by name: cpu(0), gpu(1). Naming one is free; `require` checks that it is there before it is used."""

from __future__ import annotations

import ctypes
import operator
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from ..common.errors import DeviceError, ParameterError

DEVICE_TYPES = ("cpu", "gpu")
_INSTALL = "Install it with: pip install 'pushgrad[cuda12]' (or cuda13), or train on mx.cpu()"


class _Current(threading.local):
    """Each thread's stack of contexts entered by `with`."""

    def __init__(self) -> None:
        self.stack: list[Context] = []


_current = _Current()


class Context:
    """A device. Used in a `with` statement it becomes the default of the block.

    All CPU contexts are the same processor; a list of them says over how many parts a batch is spread.
    """

    __slots__ = ("device_id", "device_type")

    def __init__(self, device_type: str, device_id: int = 0) -> None:
        if device_type not in DEVICE_TYPES:
            raise ParameterError("device type", expected=" or ".join(DEVICE_TYPES), got=repr(device_type))
        try:
            self.device_id = operator.index(device_id)
        except TypeError:
            self.device_id = -1
        if self.device_id < 0:
            raise ParameterError(f"{device_type} index", expected="a whole number of 0 or more", got=repr(device_id))
        self.device_type = device_type

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Context):
            return NotImplemented
        return (self.device_type, self.device_id) == (other.device_type, other.device_id)

    def __hash__(self) -> int:
        return hash((self.device_type, self.device_id))

    def __repr__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    def __enter__(self) -> Context:
        _current.stack.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.stack.pop()


def cpu(device_id: int = 0) -> Context:
    """The processor."""
    return Context("cpu", device_id)


def gpu(device_id: int = 0) -> Context:
    """The NVIDIA GPU of that index among the visible ones; whether it exists is checked when it is used."""
    return Context("gpu", device_id)


def current_context() -> Context:
    """The innermost `with` context of this thread, cpu(0) outside of any."""
    return _current.stack[-1] if _current.stack else cpu()


def num_gpus() -> int:
    """How many GPUs can be used: 0 without cupy, without a driver, or without a device."""
    return _count_gpus()[0]


def as_list(ctx: Context | Sequence[Context] | None) -> list[Context]:
    """A `ctx` argument as a list: None is the current context, one context is a list of one."""
    if ctx is None:
        return [current_context()]
    if isinstance(ctx, Context):
        return [ctx]
    contexts = list(ctx) if isinstance(ctx, list | tuple) else []
    if not contexts or not all(isinstance(one, Context) for one in contexts):
        raise ParameterError(
            "ctx", expected="a context or a list of contexts, as in [mx.cpu(0), mx.cpu(1)]", got=repr(ctx)
        )
    return contexts


def require(ctx: Context) -> Context:
    """`ctx` itself if it can be used here; DeviceError that says what is missing otherwise."""
    if ctx.device_type == "cpu":
        return ctx
    count, missing = _count_gpus()
    if missing is not None:
        raise DeviceError(f"{ctx} cannot be used: {missing}", remedy=_INSTALL if "cupy" in missing else None)
    if ctx.device_id >= count:
        raise DeviceError(
            f"{ctx} is not there: {count} GPU{'s are' if count != 1 else ' is'} visible",
            remedy=f"Use {'mx.gpu(0)' if count == 1 else f'mx.gpu(0) to mx.gpu({count - 1})'}, or look at "
            "CUDA_VISIBLE_DEVICES",
        )
    return ctx


def _count_gpus() -> tuple[int, str | None]:
    """Number of GPUs, and what is missing if they cannot be counted."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0, "no NVIDIA driver on this machine (libcuda.so.1 not found); train on mx.cpu()"
    try:
        cupy = _import_cupy()
    except ImportError as error:
        return 0, f"the Python package cupy cannot be imported ({error})"
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return 0, f"CUDA reports {error}; look at the driver and at CUDA_VISIBLE_DEVICES"
    return count, None


def _import_cupy() -> Any:
    import cupy

    return cupy
