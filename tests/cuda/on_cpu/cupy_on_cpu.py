"""A stand-in for the package cupy: numpy's functions on arrays of GPUs that only this process knows of.

Kernels run on the processor, and what is queued on a stream runs when somebody waits for it. `make` gives a fresh one.
"""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np

from . import dispatch, memory, streams
from .arrays import DeviceArray, as_device
from .capture import Graph
from .collectives import make_nccl
from .machine import CUDADriverError, start
from .raw_module import RawModule
from .runtime_devices import Device, make_runtime
from .special import make_special


class _Ufunc:
    """A ufunc that queues, and its methods."""

    def __init__(self, ufunc):
        self._ufunc, self.__name__ = ufunc, ufunc.__name__

    def __call__(self, *args, **kwargs):
        return dispatch.call_ufunc(self._ufunc, "__call__", args, kwargs)

    def __getattr__(self, name):
        if name not in ("reduce", "accumulate", "reduceat", "outer", "at"):
            return getattr(self._ufunc, name)
        return lambda *args, **kwargs: dispatch.call_ufunc(self._ufunc, name, args, kwargs)


def _dispatched(value):
    """A function of numpy's as cupy has it; types and constants are the same."""
    if isinstance(value, np.ufunc):
        return _Ufunc(value)
    if callable(value) and not isinstance(value, type):
        return lambda *args, **kwargs: dispatch.call(value, args, kwargs)
    return value


class _Namespace(ModuleType):
    """numpy or a part of it, seen through `_dispatched`."""

    def __init__(self, name, original):
        super().__init__(name)
        self._original = original

    def __getattr__(self, name):
        if name.startswith("_") or name in dispatch.MISSING or not hasattr(self._original, name):
            raise AttributeError(f"cupy has no {name}")
        value = _dispatched(getattr(self._original, name))
        setattr(self, name, value)
        return value


def _converter(order="C", copy=None):
    def array(a, dtype=None, copy=copy, order=order, **_):
        if isinstance(a, DeviceArray):
            changed = dispatch.perform(_ordered(order), (a, dtype), {}, [])
            return changed.copy() if copy and changed is a else changed
        if isinstance(a, list | tuple) and any(isinstance(one, DeviceArray) for one in a):
            return dispatch.call(np.stack, (a,), {"dtype": dtype, "casting": "unsafe"})
        return as_device(a, dtype, order if order in ("C", "F") else "C")

    return array


def _ordered(order):
    """astype that copies only where dtype or order would not fit."""

    def ordered(a, dtype):
        return a.astype(a.dtype if dtype is None else dtype, order=order or "K", copy=False)

    return ordered


def _empty(shape, dtype=float, order="C"):
    return DeviceArray(shape, float if dtype is None else dtype, order=order)


def _empty_like(a, dtype=None, order="K", subok=None, shape=None):
    return DeviceArray(a.shape if shape is None else shape, a.dtype if dtype is None else dtype)


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get(stream, order, out, blocking) if isinstance(a, DeviceArray) else np.asarray(a, order=order)


def _make_cuda():
    cuda = ModuleType("cupy.cuda")
    runtime = make_runtime()
    cuda.__dict__.update(
        Device=Device,
        Stream=streams.Stream,
        Event=streams.Event,
        Graph=Graph,
        MemoryPool=memory.MemoryPool,
        MemoryPointer=memory.MemoryPointer,
        alloc=memory.malloc,
        alloc_pinned_memory=memory.alloc_pinned_memory,
        using_allocator=memory.using_allocator,
        get_current_stream=streams.get_current_stream,
        get_elapsed_time=streams.get_elapsed_time,
        get_device_id=runtime.getDevice,
        is_available=lambda: runtime.getDeviceCount() > 0,
        runtime=runtime,
        nccl=make_nccl(),
        driver=SimpleNamespace(CUDADriverError=CUDADriverError),
        graph=SimpleNamespace(Graph=Graph),
        memory=SimpleNamespace(OutOfMemoryError=MemoryError, MemoryPool=memory.MemoryPool),
        stream=SimpleNamespace(Stream=streams.Stream, Event=streams.Event),
    )
    return cuda


def make(gpus=1):
    """The stand-in with that many GPUs, all of their memory unused. One is in use at a time, the latest."""
    start(gpus)
    cupy = _Namespace("cupy", np)
    cupy.__dict__.update(
        __version__="14.2.0",
        ndarray=DeviceArray,
        RawModule=RawModule,
        cuda=_make_cuda(),
        linalg=_Namespace("cupy.linalg", np.linalg),
        fft=_Namespace("cupy.fft", np.fft),
        array=_converter("K", copy=True),
        asarray=_converter("K"),
        asanyarray=_converter("K"),
        ascontiguousarray=_converter("C"),
        asfortranarray=_converter("F"),
        asnumpy=asnumpy,
        empty=_empty,
        empty_like=_empty_like,
        get_array_module=lambda *args: cupy if any(isinstance(one, DeviceArray) for one in args) else np,
        get_default_memory_pool=memory.default_pool,
    )
    return cupy


def modules(cupy):
    """What to put into sys.modules for `import cupy` and `import cupyx.scipy.special` to find the stand-in."""
    special, scipy, cupyx = make_special(), ModuleType("cupyx.scipy"), ModuleType("cupyx")
    scipy.special, cupyx.scipy, cupyx.scatter_add = special, scipy, DeviceArray.scatter_add
    known = {
        "cupy": cupy,
        "cupy.cuda": cupy.cuda,
        "cupy.cuda.nccl": cupy.cuda.nccl,
        "cupy.cuda.runtime": cupy.cuda.runtime,
    }
    known |= {"cupyx": cupyx, "cupyx.scipy": scipy, "cupyx.scipy.special": special}
    hidden = {name: None for name in sys.modules if name.startswith(("cupy.", "cupyx.")) and name not in known}
    return {**hidden, **known}
