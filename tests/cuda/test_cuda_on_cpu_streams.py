"""The stand-in for cupy: streams, captured graphs, memory, several GPUs."""

import gc

import numpy as np
import pytest
from on_cpu.machine import CaptureError

SCALE = """extern "C" __global__ void scale(float* y, float by) { y[threadIdx.x] *= by; }"""


@pytest.fixture
def streams(cupy_on_cpu):
    return [cupy_on_cpu.cuda.Stream(non_blocking=True) for _ in range(2)]


@pytest.fixture
def scale(cupy_on_cpu):
    kernel = cupy_on_cpu.RawModule(code=SCALE).get_function("scale")
    return lambda y, by: kernel((1,), (y.size,), (y, np.float32(by)))


def pinned(cupy, size):
    return np.frombuffer(cupy.cuda.alloc_pinned_memory(4 * size), np.float32)


@pytest.mark.parametrize("waits", [False, True])
def test_only_what_was_waited_for_is_there(cupy_on_cpu, streams, scale, waits):
    work, outward = streams
    host = pinned(cupy_on_cpu, 2)
    with work:
        x = cupy_on_cpu.ones(2, np.float32)
        work.synchronize()
        scale(x, 3)
        x += 1
        event = work.record()
    assert not event.done
    if waits:
        outward.wait_event(event)
    x.get(stream=outward, out=host, blocking=False)
    assert np.isnan(host).all()
    outward.synchronize()
    assert host.tolist() == ([4, 4] if waits else [1, 1])


def test_page_locked_memory_is_read_late_and_other_memory_at_once(cupy_on_cpu, streams):
    for host, expected in ((pinned(cupy_on_cpu, 2), 5), (np.zeros(2, np.float32), 1)):
        with streams[0]:
            x = cupy_on_cpu.empty(2, np.float32)
        host[:] = 1
        runtime = cupy_on_cpu.cuda.runtime
        runtime.memcpyAsync(x.data.ptr, host.ctypes.data, 8, runtime.memcpyHostToDevice, streams[0].ptr)
        host[:] = 5
        streams[0].synchronize()
        assert x.tolist() == [expected] * 2


def capture(stream, function):
    with stream:
        stream.begin_capture()
        result = function()
        return stream.end_capture(), result


def test_a_graph_replays_with_frozen_scalars(cupy_on_cpu, streams, scale):
    stream, x, factor = streams[0], cupy_on_cpu.ones(2, np.float32), 2
    total = cupy_on_cpu.zeros((), np.float32)
    cupy_on_cpu.cuda.runtime.deviceSynchronize()

    def step():
        scale(x, factor)
        y = x + factor
        cupy_on_cpu.add(total, y.sum(), out=total)
        x[0] = 10
        return y

    graph, y = capture(stream, step)
    factor = 7
    assert x.tolist() == [1, 1] and float(total) == 0 and np.isnan(y.get()).all()
    graph.launch(stream)
    graph.launch(stream)
    assert x.tolist() == [1, 1]  # the current stream has not waited
    stream.synchronize()
    assert (x.tolist(), y.tolist(), float(total)) == ([10, 4], [22, 6], 4 + 4 + 22 + 6)


def test_a_graph_with_a_fork(cupy_on_cpu, streams, scale):
    work, side = streams
    x, host = cupy_on_cpu.ones(2, np.float32), pinned(cupy_on_cpu, 2)
    cupy_on_cpu.cuda.runtime.deviceSynchronize()
    runtime = cupy_on_cpu.cuda.runtime

    def step(joins=True):
        scale(x, 3)
        side.wait_event(work.record())
        runtime.memcpyAsync(host.ctypes.data, x.data.ptr, 8, runtime.memcpyDeviceToHost, side.ptr)
        if joins:
            work.wait_event(side.record())

    graph, _ = capture(work, step)
    assert np.isnan(host).all()
    graph.launch(work)
    work.synchronize()
    assert host.tolist() == [3, 3]
    with pytest.raises(CaptureError, match="Unjoined"):
        capture(work, lambda: step(joins=False))


@pytest.mark.parametrize("what", ["float", "get", "mask", "synchronize", "device", "upload", "foreign"])
def test_what_a_capture_refuses(cupy_on_cpu, streams, what):
    stream, x, host = streams[0], cupy_on_cpu.ones(3, np.float32), np.ones(3, np.float32)
    mask, event = x > 0, streams[1].record()
    attempts = {
        "float": lambda: float(x.sum()),
        "get": lambda: x.get(out=pinned(cupy_on_cpu, 3), blocking=False),
        "mask": lambda: x[mask],
        "synchronize": stream.synchronize,
        "device": cupy_on_cpu.cuda.runtime.deviceSynchronize,
        "upload": lambda: x.set(host),
        "foreign": lambda: stream.wait_event(event),
    }
    with stream:
        stream.begin_capture()
        with pytest.raises(CaptureError):
            attempts[what]()
        with pytest.raises(CaptureError, match="Invalidated"):
            stream.end_capture()
    assert not stream.is_capturing()


def test_memory_is_counted_and_used_again(cupy_on_cpu):
    pool = cupy_on_cpu.cuda.MemoryPool()
    with cupy_on_cpu.cuda.using_allocator(pool.malloc):
        x = cupy_on_cpu.zeros(100, np.float32)
        part, address = x[50:], x.data.ptr
    assert part.data.ptr == address + 200 and address % 512 == 0
    assert (pool.used_bytes(), pool.total_bytes()) == (400, 400)
    del x
    gc.collect()
    assert pool.used_bytes() == 400
    del part
    gc.collect()
    assert (pool.used_bytes(), pool.total_bytes()) == (0, 400)
    assert pool.malloc(400).ptr == address


@pytest.mark.parametrize("cupy_on_cpu", [2], indirect=True)
@pytest.mark.parametrize("captured", [False, True])
def test_gpus_sum(cupy_on_cpu, captured):
    xp, cuda = cupy_on_cpu, cupy_on_cpu.cuda
    comms = cuda.nccl.NcclCommunicator.initAll([0, 1])
    arrays, streams = [], []
    for index in range(2):
        with cuda.Device(index):
            streams.append(cuda.Stream(non_blocking=True))
            with streams[-1]:
                arrays.append(xp.full(3, index + 1, np.float32))
                streams[-1].synchronize()
                if captured:
                    streams[-1].begin_capture()
                arrays[-1] *= 10
    cuda.nccl.groupStart()
    for comm, stream, x in zip(comms, streams, arrays, strict=True):
        comm.allReduce(x.data.ptr, x.data.ptr, 3, cuda.nccl.NCCL_FLOAT, cuda.nccl.NCCL_SUM, stream.ptr)
    cuda.nccl.groupEnd()
    if captured:
        for graph in [stream.end_capture() for stream in streams]:
            graph.launch(streams[graph._device])
    streams[1].synchronize()
    with cuda.Device(1):
        assert arrays[1].tolist() == [30, 30, 30]
    with pytest.raises(RuntimeError, match="GPU 1 is used while GPU 0"):
        arrays[0] + arrays[1]


def test_pushgrad_sees_it(cupy_on_cpu):
    import pushgrad as mx
    from pushgrad.worker.cuda.device import Device

    assert mx.num_gpus() == 1
    device = Device.get(0)
    with device.active():
        x = device.zeros((2, 3))
    host = device.pinned((2, 3))
    device.download(host, x, device.stream)
    device.synchronize()
    assert not host.any() and device.xp is cupy_on_cpu
