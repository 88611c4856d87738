"""Functions of numpy on arrays of the stand-in, queued on the current stream as cupy queues its kernels.

A call runs twice: at once, on whatever the arrays hold, for the shapes of its results; and in its turn, for the values.
"""

import inspect
import warnings
from functools import cache

import numpy as np

from . import arrays
from .indices import add_at, get_item
from .machine import CUDARuntimeError, here
from .streams import get_current_stream

# Of what numpy has and cupy does not (14.2), what somebody might use.
_MISSING = (
    "asmatrix block bmat char core ctypeslib datetime64 emath errstate frompyfunc geomspace geterr "
    "histogram_bin_edges insert isnat longdouble ma matrix matvec memmap nanpercentile nanquantile ndenumerate "
    "nditer nested_iters object_ polyder polydiv polyint rec recarray record seterr spacing strings timedelta64 "
    "typecodes unstack vecdot vecmat void random testing float128 complex256 str_ bytes_ character"
)
# Their results have shapes that depend on values, or are values: the host has to wait.
_SYNCS = (
    "nonzero argwhere flatnonzero unique unique_all unique_values unique_counts unique_inverse compress extract "
    "bincount histogram union1d intersect1d setdiff1d trim_zeros array_str array_repr array2string"
)
_CHANGE_FIRST = "copyto put place putmask put_along_axis fill_diagonal"
_AS_SCALAR = "allclose array_equal array_equiv"
_PRODUCTS = "matmul dot vdot inner tensordot"
MISSING, SYNCS, CHANGE_FIRST, AS_SCALAR, PRODUCTS = (
    frozenset(names.split()) for names in (_MISSING, _SYNCS, _CHANGE_FIRST, _AS_SCALAR, _PRODUCTS)
)


class HostArrayError(TypeError, ValueError):
    """cupy raises TypeError for most mixtures of its arrays with numpy's, ValueError for assignments."""


@cache
def _signature(function):
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def written_by(function, args, kwargs):
    """The arrays that a call changes."""
    name = getattr(function, "__name__", "")
    written = [args[0]] if name in CHANGE_FIRST and args else []
    if isinstance(function, np.ufunc):
        out = kwargs.get("out", args[function.nin :])
    elif "out" in kwargs:
        out = kwargs["out"]
    else:
        signature = _signature(function)
        try:
            out = signature.bind(*args, **kwargs).arguments.get("out") if signature else None
        except TypeError:
            out = None
    out = out if isinstance(out, tuple) else (out,)
    written += [one for one in out if one is not None]
    if any(not isinstance(one, arrays.DeviceArray) for one in written):
        raise HostArrayError(f"{name}: the output is not an array of the GPU")
    return written


class Call:
    """One call: its arguments as numpy arrays, and where its results go."""

    def __init__(self, function, args, kwargs, written):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.arrays, self.outputs = [], []
        self.copies = {id(one): (one, one._raw.copy(order="K")) for one in written}
        self._collect((args, kwargs))

    def _collect(self, value):
        if isinstance(value, arrays.DeviceArray):
            self.arrays.append(value)
        elif isinstance(value, np.ndarray) and value.ndim:
            raise HostArrayError(
                f"Unsupported type {type(value)}: {getattr(self.function, '__name__', '')} mixes host and GPU arrays"
            )
        elif isinstance(value, list | tuple):
            for one in value:
                self._collect(one)
        elif isinstance(value, dict):
            self._collect(list(value.values()))

    def _plain(self, value, dry):
        if isinstance(value, arrays.DeviceArray):
            return self.copies[id(value)][1] if dry and id(value) in self.copies else value._raw
        if isinstance(value, list | tuple):
            return type(value)(self._plain(one, dry) for one in value)
        if isinstance(value, dict):
            return {name: self._plain(one, dry) for name, one in value.items()}
        return value

    def prepare(self):
        """Afterwards nothing of the arguments is needed, and nothing keeps their memory from being given away."""
        self._real = self._plain(self.args, False), self._plain(self.kwargs, False)

    def dry(self):
        """The results, their values not to be used."""
        return _quietly(self.function, self._plain(self.args, True), self._plain(self.kwargs, True))

    def real(self):
        return _quietly(self.function, *self._real)

    def wrap(self, result):
        """What the caller gets for `result`."""
        if isinstance(result, list | tuple):
            parts = [self.wrap(one) for one in result]
            return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
        if not isinstance(result, np.ndarray | np.generic):
            return result
        for original, copy in self.copies.values():
            if result is copy:
                return original
        if isinstance(result, np.ndarray) and result.size:
            for one in self.arrays:
                if result is one._raw:
                    return one
                if np.may_share_memory(result, one._raw):
                    return arrays.DeviceArray._over(one.block, result)
        fresh = arrays.new(result.shape, result.dtype, like=result)
        self.outputs.append((fresh._raw, len(self.outputs)))
        return fresh

    def work(self):
        """What is queued: the call once more, its results into the arrays that stand for them."""
        raws, copies = [raw for raw, _ in self.outputs], bool(self.copies)
        function, real = self.function, self._real

        def run():
            results = _quietly(function, *real)
            if raws:
                for raw, value in zip(raws, _fresh(results, real), strict=True):
                    np.copyto(raw, value)

        return run if raws or copies else None


def _flat(value):
    if isinstance(value, list | tuple | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _flat(one)
    elif isinstance(value, np.ndarray | np.generic):
        yield value


def _fresh(results, arguments):
    """Those of the results that are no views of arguments, in order."""
    given = [one for one in _flat(list(arguments)) if isinstance(one, np.ndarray)]
    for one in _flat(results):
        view = isinstance(one, np.ndarray) and one.size and any(np.may_share_memory(one, other) for other in given)
        if not view:
            yield one


def _quietly(function, args, kwargs):
    with np.errstate(all="ignore"), warnings.catch_warnings():  # GPUs do not warn
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(*args, **kwargs)


def perform(function, args, kwargs, written=None, syncs=False):
    """Queue `function`, which takes numpy arrays, and return its results, or wait and run it if it `syncs`."""
    stream = get_current_stream()
    with here().lock:
        call = Call(function, args, kwargs, written_by(function, args, kwargs) if written is None else written)
        _must_be_here(call.arrays)
        call.prepare()
        if syncs:
            stream.may_wait(getattr(function, "__name__", "this function"))
            stream.synchronize()
            result = call.real()
            wrapped = call.wrap(result)
            for (raw, _), value in zip(call.outputs, _fresh(result, call._real), strict=True):
                raw[...] = value
            return wrapped
        wrapped = call.wrap(call.dry())
        work = call.work()
        if work:
            stream.enqueue(work)
        return wrapped


def _must_be_here(found):
    for one in found:
        if one.device.id != here().local.device:
            raise CUDARuntimeError(
                f"an array of GPU {one.device.id} is used while GPU {here().local.device} is current"
            )


def call(function, args, kwargs):
    """A function of numpy's, by its habits."""
    name = getattr(function, "__name__", "")
    if name in MISSING:
        raise AttributeError(f"cupy has no {name}")
    if name == "where" and len(args) == 1:
        return perform(function, args, kwargs, syncs=True)
    _refuse_products(name)
    if name == "take" and "mode" in kwargs:
        raise TypeError("take() got an unexpected keyword argument 'mode'")
    if name in AS_SCALAR:
        return perform(lambda *a, **k: np.bool_(function(*a, **k)), args, kwargs, [])
    return perform(function, args, kwargs, syncs=name in SYNCS)


def call_ufunc(ufunc, method, args, kwargs):
    """A ufunc or one of its methods."""
    if ufunc.__name__ in MISSING:
        raise AttributeError(f"cupy has no {ufunc.__name__}")
    _refuse_products(ufunc.__name__)
    if "where" in kwargs:
        raise TypeError("Wrong arguments {'where': ...}")
    if method == "at":
        return perform(add_at, (ufunc, *args), kwargs, [args[0]])
    function = ufunc if method == "__call__" else getattr(ufunc, method)
    out = kwargs.get("out")
    if method != "__call__" and isinstance(out, tuple):
        kwargs = {**kwargs, "out": out[0]}
    return perform(function, args, kwargs)


def _refuse_products(name):
    if name in PRODUCTS and get_current_stream().capture:
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")  # cupy's words


def item(array, index):
    return perform(get_item, (array, index), {}, [], syncs=_has_mask(index))


def _has_mask(index):
    return any(
        getattr(one, "dtype", None) == np.bool_ and getattr(one, "ndim", 0)
        for one in (index if isinstance(index, tuple) else (index,))
    )
