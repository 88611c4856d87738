"""cupy.cuda.Device and cupy.cuda.runtime."""

from types import SimpleNamespace

from . import copies
from .machine import CUDARuntimeError, here
from .memory import host_register, host_unregister
from .streams import Stream, by_ptr

_MEMORY = 16 << 30


class Device:
    """A GPU by its index; entered, the current one of this thread."""

    def __init__(self, device=None):
        self.id = here().local.device if device is None else int(device)
        if not 0 <= self.id < here().gpus:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        self._before = []

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    def __repr__(self):
        return f"<CUDA Device {self.id}>"

    def __enter__(self):
        self._before.append((here().local, here().local.device))
        here().local.device = self.id
        return self

    def __exit__(self, *_):
        local, local.device = self._before.pop()

    def use(self):
        here().local.device = self.id
        return self

    def synchronize(self):
        synchronize_device(self.id)

    compute_capability = "90"

    @property
    def mem_info(self):
        return _MEMORY - _used(self.id), _MEMORY

    @property
    def attributes(self):
        return {"MultiProcessorCount": 132, "MaxThreadsPerBlock": 1024, "WarpSize": 32}

    @property
    def pci_bus_id(self):
        return f"0000:{self.id:02x}:00.0"


def _used(device):
    return sum(pool._total[device] for pool in here().pools)


def synchronize_device(device):
    """Wait for all streams of a GPU."""
    with here().lock:
        streams = [one for one in here().streams.values() if one.device_id == device]
        streams += [one for one in here().null_streams.values() if one.device_id == device]
        for stream in streams:
            stream.may_wait("deviceSynchronize")
        for stream in streams:
            stream.synchronize()


def _properties(device):
    Device(device)
    return {
        "name": b"a GPU on the CPU",
        "major": 9,
        "minor": 0,
        "multiProcessorCount": 132,
        "totalGlobalMem": _MEMORY,
        "sharedMemPerBlock": 48 << 10,
        "maxThreadsPerBlock": 1024,
        "warpSize": 32,
        "pciBusID": device,
        "uuid": b"on-cpu-%d" % device,
    }


def make_runtime():
    """The functions of cupy.cuda.runtime that take streams as integers."""
    return SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=lambda: here().gpus,
        getDevice=lambda: here().local.device,
        setDevice=lambda device: Device(device).use() and None,
        getDeviceProperties=_properties,
        deviceGetPCIBusId=lambda device: f"0000:{device:02x}:00.0",
        deviceSynchronize=lambda: synchronize_device(here().local.device),
        streamSynchronize=lambda ptr: by_ptr(ptr).synchronize(),
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13000,
        memGetInfo=lambda: Device().mem_info,
        hostRegister=host_register,
        hostUnregister=host_unregister,
        memcpyAsync=lambda dst, src, size, kind, stream: copies.copy_bytes(dst, src, size, kind, by_ptr(stream)),
        memcpyPeerAsync=lambda dst, dst_device, src, src_device, size, stream: copies.copy_bytes(
            dst, src, size, copies.DEVICE_TO_DEVICE, by_ptr(stream)
        ),
        memcpy=_memcpy,
        memsetAsync=lambda ptr, value, size, stream: copies.fill_bytes(ptr, value, size, by_ptr(stream)),
        deviceCanAccessPeer=lambda device, peer: device != peer,
        deviceEnablePeerAccess=lambda peer, flags=0: None,
        memcpyHostToHost=copies.HOST_TO_HOST,
        memcpyHostToDevice=copies.HOST_TO_DEVICE,
        memcpyDeviceToHost=copies.DEVICE_TO_HOST,
        memcpyDeviceToDevice=copies.DEVICE_TO_DEVICE,
        memcpyDefault=copies.DEFAULT,
        hostRegisterDefault=0,
        hostRegisterPortable=1,
        streamCaptureModeGlobal=0,
        streamCaptureModeThreadLocal=1,
        streamCaptureModeRelaxed=2,
        is_hip=False,
    )


def _memcpy(dst, src, size, kind):
    copies.copy_bytes(dst, src, size, kind, Stream.null)
    Stream.null.synchronize()
