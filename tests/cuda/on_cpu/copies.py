"""Copies between the host and a GPU. Only page-locked memory is copied in the background."""

import numpy as np

from .machine import CUDARuntimeError, here, host_bytes

HOST_TO_HOST, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE, DEFAULT = range(5)


def _pinned(host):
    return here().is_pinned(host.ctypes.data, host.nbytes)


def to_host(array, stream, order, out, blocking):
    """See cupy.ndarray.get."""
    stream.may_wait("a copy to the host")
    if out is None:
        order = "F" if order == "A" and array.flags.f_contiguous and not array.flags.c_contiguous else order
        out = np.empty(array.shape, array.dtype, order="C" if order == "A" else order)
        background = not blocking
    else:
        _check_out(array, out)
        background = not blocking and _pinned(out)
    raw = array._raw  # no longer `array`: its memory may be given away, in order
    with here().lock:
        stream.enqueue(lambda: np.copyto(out, raw))
        if not background:
            stream.synchronize()
    return out


def _check_out(array, out):
    if not isinstance(out, np.ndarray):
        raise TypeError("Only numpy.ndarray can be obtained from cupy.ndarray")
    if array.dtype != out.dtype:
        raise TypeError(f"{out.dtype} array cannot be obtained from {array.dtype} array")
    if array.shape != out.shape:
        raise ValueError(f"Shape mismatch. Expected shape: {array.shape}, actual shape: {out.shape}")
    if not (out.flags.c_contiguous or out.flags.f_contiguous):
        raise RuntimeError("`out` cannot be specified when copying to non-contiguous ndarray")


def from_host(array, host, stream):
    """See cupy.ndarray.set."""
    if not isinstance(host, np.ndarray):
        raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
    if array.dtype != host.dtype:
        raise TypeError(f"{host.dtype} array cannot be set to {array.dtype} array")
    if array.shape != host.shape:
        raise ValueError(f"Shape mismatch. Old shape: {array.shape}, new shape: {host.shape}")
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise RuntimeError("Cannot set to non-contiguous array")
    stream.may_wait("a copy from the host")
    straight = host.flags.c_contiguous if array.flags.c_contiguous else host.flags.f_contiguous
    source = host if straight and _pinned(host) else host.copy()
    raw = array._raw
    stream.enqueue(lambda: np.copyto(raw, source))


def copy_bytes(dst, src, size, kind, stream):
    """cudaMemcpyAsync between addresses. Memory that is neither page-locked nor a GPU's is copied as CUDA does it:
    read before the call returns, written before it returns.
    """
    (to, to_kind), (source, from_kind) = _bytes_at(dst, size), _bytes_at(src, size)
    allowed = {HOST_TO_DEVICE: "hd", DEVICE_TO_HOST: "dh", DEVICE_TO_DEVICE: "dd", HOST_TO_HOST: "hh"}
    if kind != DEFAULT and allowed[kind] != from_kind[0] + to_kind[0]:
        raise CUDARuntimeError(f"cudaErrorInvalidValue: a copy of kind {kind} from {from_kind} to {to_kind}")
    if "host" in (from_kind, to_kind):
        stream.may_wait("a copy of memory that is not page-locked")
    if from_kind == "host":
        source = source.copy()
    with here().lock:
        stream.enqueue(lambda: np.copyto(to, source))
        if to_kind == "host":
            stream.synchronize()


def _bytes_at(address, size):
    """Those bytes, and whether they are "device", "host" or "host, pinned"."""
    chunk = here().chunk_at(address, max(1, size))
    if chunk:
        return chunk.view((size,), np.uint8, None, address - chunk.address), "device"
    assert not here().chunk_at(address), f"{size} bytes at {address:#x} reach beyond an array of the GPU"
    return host_bytes(address, size), "host, pinned" if here().is_pinned(address, size) else "host"


def fill_bytes(address, value, size, stream):
    """cudaMemsetAsync."""
    to, kind = _bytes_at(address, size)
    if kind != "device":
        raise CUDARuntimeError("cudaErrorInvalidValue: not memory of a GPU")
    stream.enqueue(lambda: to.fill(value))
