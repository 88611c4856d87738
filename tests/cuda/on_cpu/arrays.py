"""cupy.ndarray: numpy's interface over memory of a GPU, which the host reads only by `get` and its like."""

import operator
from functools import partialmethod

import numpy as np

from . import dispatch
from .copies import from_host, to_host
from .indices import set_item
from .memory import Block, MemoryPointer, malloc
from .runtime_devices import Device
from .streams import get_current_stream

_PLAIN_METHODS = (
    "all any argmax argmin argpartition argsort astype clip conj copy cumprod cumsum diagonal dot flatten max "
    "mean min prod ravel repeat reshape round searchsorted squeeze std sum swapaxes take trace transpose var"
)
_IN_PLACE_METHODS = "fill sort partition put"
_WAITING_METHODS = "nonzero compress choose"
_OPERATORS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "pow": np.power,
    "matmul": np.matmul,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
}
_COMPARISONS = ("lt less", "le less_equal", "gt greater", "ge greater_equal", "eq equal", "ne not_equal")


class Flags:
    """What cupy tells of an array; that it can be written goes without saying."""

    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata


class DeviceArray:
    """Not a subclass of numpy.ndarray, as cupy's is none, so that no function of C reads it behind our back."""

    __array_priority__ = 100
    __hash__ = None

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        shape = tuple(shape) if isinstance(shape, tuple | list) else (operator.index(shape),)
        dtype = np.dtype(dtype)
        memptr = memptr or malloc(int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
        if strides is None and order == "F":
            strides = np.ndarray(shape, dtype, np.empty(max(1, memptr.mem.size), "u1"), order="F").strides
        self.block, self._raw = memptr.mem, memptr.mem.chunk.view(shape, dtype, strides, memptr.offset)

    @classmethod
    def _over(cls, block: Block, raw):
        """A view: `raw` lies in that piece of memory, which stays in use while the view lives."""
        array = cls.__new__(cls)
        array.block, array._raw = block, raw
        return array

    # What is known without looking at the values
    shape = property(lambda self: self._raw.shape)
    strides = property(lambda self: self._raw.strides)
    dtype = property(lambda self: self._raw.dtype)
    ndim = property(lambda self: self._raw.ndim)
    size = property(lambda self: self._raw.size)
    nbytes = property(lambda self: self._raw.nbytes)
    itemsize = property(lambda self: self._raw.itemsize)
    flags = property(lambda self: Flags(self._raw.flags))
    T = property(lambda self: self._over(self.block, self._raw.T))
    mT = property(lambda self: self._over(self.block, self._raw.mT))
    real = property(lambda self: self._over(self.block, self._raw.real))
    device = property(lambda self: Device(self.block.device_id))

    @property
    def data(self):
        offset = self._raw.__array_interface__["data"][0] - self.block.ptr if self._raw.size else 0
        return MemoryPointer(self.block, offset)

    @property
    def base(self):
        return None if self._raw.nbytes == self.block.size else self.block

    @property
    def __cuda_array_interface__(self):
        return {**self._raw.__array_interface__, "version": 3, "stream": get_current_stream().ptr}

    def view(self, dtype=None):
        return self._over(self.block, self._raw.view() if dtype is None else self._raw.view(dtype))

    def __len__(self):
        return len(self._raw)

    def __iter__(self):
        return (self[place] for place in range(len(self)))

    def __dlpack_device__(self):
        return 2, self.device.id  # kDLCUDA

    def __dlpack__(self, **_):
        raise BufferError("the stand-in for cupy does not export DLPack")

    # Work that is queued
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return dispatch.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        return dispatch.call(function, args, kwargs)

    def __getitem__(self, index):
        return dispatch.item(self, _on_gpu(index))

    def __setitem__(self, index, value):
        if isinstance(value, list | tuple):
            raise dispatch.HostArrayError("non-scalar numpy.ndarray cannot be used for fill")
        dispatch.perform(set_item, (self, _on_gpu(index), value), {}, [self])

    def _plain(self, method, *args, **kwargs):
        return dispatch.perform(method, (self, *args), kwargs)

    def _in_place(self, method, *args, **kwargs):
        dispatch.perform(method, (self, *args), kwargs, [self])

    def _waiting(self, method, *args, **kwargs):
        return dispatch.perform(method, (self, *args), kwargs, syncs=True)

    def scatter_add(self, index, value):
        dispatch.call_ufunc(np.add, "at", (self, index, value), {})

    def _operate(self, ufunc, other):
        return ufunc(self, other) if _is_operand(other) else NotImplemented

    def _reflected(self, ufunc, other):
        return ufunc(other, self) if _is_operand(other) else NotImplemented

    def _update(self, ufunc, other):
        return ufunc(self, other, out=self)

    def __neg__(self):
        return np.negative(self)

    def __pos__(self):
        return np.positive(self)

    def __abs__(self):
        return np.absolute(self)

    def __invert__(self):
        return np.invert(self)

    # What makes the host wait
    def get(self, stream=None, order="C", out=None, blocking=True):
        return to_host(self, stream or get_current_stream(), order, out, blocking)

    def set(self, arr, stream=None):
        from_host(self, arr, stream or get_current_stream())

    def item(self, *args):
        return self.get().item(*args)

    def tolist(self):
        return self.get().tolist()

    def tobytes(self, order="C"):
        return self.get().tobytes(order)

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __complex__(self):
        return complex(self.get())

    def __bool__(self):
        return bool(self.get())

    def __repr__(self):
        return repr(self.get())

    def __str__(self):
        return str(self.get())

    def __format__(self, spec):
        return format(self.get(), spec)

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )


def _is_operand(other):
    """False for what is neither number nor array: its own operator is to be asked."""
    return isinstance(other, DeviceArray | np.ndarray | np.generic | int | float | complex)


def _on_gpu(index):
    """Lists and host arrays among indices are copied to the GPU, as cupy does it."""
    if isinstance(index, tuple):
        return tuple(map(_on_gpu, index))
    return as_device(index) if isinstance(index, list | np.ndarray) else index


def new(shape, dtype, like=None):
    """An array for a result, its axes ordered in memory as those of `like`."""
    axes = np.argsort(np.negative(np.abs(like.strides)), kind="stable") if like is not None and like.ndim > 1 else None
    if axes is None or like.flags.c_contiguous or not like.size:
        return DeviceArray(shape, dtype)
    straight = DeviceArray(tuple(shape[axis] for axis in axes), dtype)
    return DeviceArray._over(straight.block, straight._raw.transpose(np.argsort(axes)))


def as_device(value, dtype=None, order="C"):
    """A new array with the values of a host array, number or list."""
    host = np.array(value, dtype, order=order)
    get_current_stream().may_wait("a copy from the host")
    array = new(host.shape, host.dtype, like=host)
    raw = array._raw
    get_current_stream().enqueue(lambda: np.copyto(raw, host))
    return array


def _give_methods():
    for names, how in (
        (_PLAIN_METHODS.split(), DeviceArray._plain),
        (_IN_PLACE_METHODS.split(), DeviceArray._in_place),
        (_WAITING_METHODS.split(), DeviceArray._waiting),
    ):
        for name in names:
            setattr(DeviceArray, name, partialmethod(how, getattr(np.ndarray, name)))
    for name, ufunc in _OPERATORS.items():
        setattr(DeviceArray, f"__{name}__", partialmethod(DeviceArray._operate, ufunc))
        setattr(DeviceArray, f"__r{name}__", partialmethod(DeviceArray._reflected, ufunc))
        setattr(DeviceArray, f"__i{name}__", partialmethod(DeviceArray._update, ufunc))
    for pair in _COMPARISONS:
        name, ufunc = pair.split()
        setattr(DeviceArray, f"__{name}__", partialmethod(DeviceArray._operate, getattr(np, ufunc)))


_give_methods()
