"""The stand-in for cupy: what it must refuse and show, or the tests that use it prove nothing."""

import numpy as np
import pytest
from on_cpu.machine import KernelError
from on_cpu.raw_module import order

KERNELS = r"""
extern "C" __global__ void block_sums(const float* __restrict__ x, float* sums, int n) {
    __shared__ float part[128];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    part[threadIdx.x] = i < n ? x[i] : 0.0f;
    __syncthreads();
    for (int width = 64; width > 0; width /= 2) {
        if (threadIdx.x < width) part[threadIdx.x] += part[threadIdx.x + width];
        __syncthreads();
    }
    if (threadIdx.x == 0) sums[blockIdx.x] = part[0];
}
// In place: an odd thread reads what its neighbour wrote.
extern "C" __global__ void no_barrier(float* y) {
    __shared__ float part[64];
    part[threadIdx.x] = threadIdx.x;
    y[threadIdx.x] = part[threadIdx.x ^ 1];
}
extern "C" __global__ void warp_sums(const int* x, int* sums) {
    int value = x[threadIdx.x];
    for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_down_sync(0xFFFFFFFFu, value, lanes);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
    unsigned odd = __ballot_sync(0xFFFFFFFFu, threadIdx.x & 1);
    if (threadIdx.x == 0) sums[2] = __popc(odd);
}
extern "C" __global__ void __launch_bounds__(64) atomics(float* sum, unsigned long long* least, int* old) {
    extern __shared__ int count[];
    if (threadIdx.x == 0) count[0] = 0;
    __syncthreads();
    atomicAdd(sum, 0.5f);
    atomicMin(least, 100ull - threadIdx.x);
    old[atomicAdd(count, 1)] = 1;
}
extern "C" __global__ void diverging(int* y) {
    if (threadIdx.x < 3) __syncthreads();
    else { y[0] = 1;
        __syncthreads(); }
}
extern "C" __global__ void beyond(float* y, int n) { y[n] = 1.0f; }
extern "C" __global__ void table(int* y, int place) {
    int values[4] = {1, 2, 3, 4};
    y[0] = values[place];
}
extern "C" __global__ void scale(float* y, float by, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] *= by;
}
extern "C" __global__ void wait_in_if(int* y) {
    if (threadIdx.x >= 2) return;
    __syncthreads();
    y[threadIdx.x] = 7;
}
"""


@pytest.fixture
def kernel(cupy_on_cpu):
    return cupy_on_cpu.RawModule(code=KERNELS, options=("-std=c++17",)).get_function


@pytest.fixture(params=[False, True], ids=["in order", "reversed"])
def any_order(request, monkeypatch):
    monkeypatch.setitem(order, "reversed", request.param)


def test_barriers_and_blocks(cupy_on_cpu, kernel, any_order):
    x = cupy_on_cpu.arange(300, dtype=np.float32)
    sums = cupy_on_cpu.empty(3, np.float32)
    kernel("block_sums")((3,), (128,), (x, sums, np.int32(300)))
    assert sums.tolist() == [sum(range(128)), sum(range(128, 256)), sum(range(256, 300))]


def test_a_missing_barrier_shows(cupy_on_cpu, kernel, any_order):
    y = cupy_on_cpu.empty(64, np.float32)
    kernel("no_barrier")((1,), (64,), (y,))
    assert np.isnan(y.get()).sum() == 32


def test_shuffles(cupy_on_cpu, kernel, any_order):
    sums = cupy_on_cpu.zeros(3, np.int32)
    kernel("warp_sums")((1,), (64,), (cupy_on_cpu.arange(64, dtype=np.int32), sums))
    assert sums.tolist() == [sum(range(32)), sum(range(32, 64)), 16]


def test_atomics_and_dynamic_shared_memory(cupy_on_cpu, kernel, any_order):
    total, least = cupy_on_cpu.zeros(1, np.float32), cupy_on_cpu.full(1, 2**63, np.uint64)
    old = cupy_on_cpu.zeros(64, np.int32)
    kernel("atomics")((1,), (64,), (total, least, old), shared_mem=4)
    assert (total.item(), least.item(), old.tolist()) == (32.0, 37, [1] * 64)


def test_ended_threads_need_not_come_to_a_barrier(cupy_on_cpu, kernel):
    y = cupy_on_cpu.zeros(3, np.int32)
    kernel("wait_in_if")((1,), (32,), (y,))
    assert y.tolist() == [7, 7, 0]


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("diverging", (), "different barriers"),
        ("beyond", (np.int32(4),), "outside of an array of 16 bytes"),
        ("beyond", (np.int32(2**30),), "no such memory"),
        ("table", (np.int32(4),), "index outside of an array"),
    ],
)
def test_what_kernels_must_not_do(cupy_on_cpu, kernel, name, args, message):
    y = cupy_on_cpu.zeros(4, np.float32 if name == "beyond" else np.int32)
    kernel(name)((1,), (8 if name == "diverging" else 1,), (y, *args))
    with pytest.raises(KernelError, match=message):
        y.get()
    kernel("wait_in_if")((1,), (32,), (cupy_on_cpu.zeros(3, np.int32),))
    cupy_on_cpu.cuda.get_current_stream().synchronize()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((2.0, np.int32(4)), r"float by takes numpy.float32, got float"),
        ((np.float64(2), np.int32(4)), "float by"),
        ((np.float32(2), 4), r"int n takes numpy.int32, got int"),
        ((np.float32(2), np.int64(4)), "int n"),
        ((np.float32(2),), "takes 3 arguments"),
    ],
)
def test_wrong_scalars_are_refused(cupy_on_cpu, kernel, args, message):
    with pytest.raises(AssertionError, match=message):
        kernel("scale")((1,), (4,), (cupy_on_cpu.zeros(4, np.float32), *args))


def test_wrong_arrays_and_sizes_are_refused(cupy_on_cpu, kernel):
    xp, rest = cupy_on_cpu, (np.float32(2), np.int32(4))
    scale = kernel("scale")
    for wrong in (xp.zeros(4), xp.zeros(8, np.float32)[::2], np.zeros(4, np.float32), 7):
        with pytest.raises(AssertionError, match="float\\* y"):
            scale((1,), (4,), (wrong, *rest))
    for grid, block in (((0,), (4,)), ((1,), (2048,)), (1, (4,))):
        with pytest.raises(AssertionError):
            scale(grid, block, (xp.zeros(4, np.float32), *rest))
    with pytest.raises(AssertionError, match="65 threads"):
        kernel("atomics")((1,), (65,), (None, None, None))


def test_host_arrays_do_not_mix(cupy_on_cpu):
    x, host = cupy_on_cpu.ones(3, np.float32), np.ones(3, np.float32)
    for mixed in (
        lambda: x + host,
        lambda: host * x,
        lambda: np.add(x, 1, out=host),
        lambda: cupy_on_cpu.concatenate([x, host]),
        lambda: np.asarray(x),
        lambda: np.array([x, x]),
        lambda: x.__setitem__(slice(None), host),
        lambda: host.__setitem__(slice(None), x),
        lambda: cupy_on_cpu.copyto(x, host),
    ):
        with pytest.raises(TypeError):
            mixed()
    assert (x + np.float32(1) + cupy_on_cpu.asarray(host)).tolist() == [3, 3, 3]


def test_arrays_behave_as_cupys(cupy_on_cpu):
    xp = cupy_on_cpu
    x = xp.arange(12, dtype=np.float32).reshape(3, 4)
    assert isinstance(x, xp.ndarray) and not isinstance(x, np.ndarray)
    assert isinstance(x.sum(), xp.ndarray) and x.sum().shape == x[1, 2].shape == ()
    x[1, 2] += 10
    x[x > 14] = 0
    assert x.T[2].tolist() == [2, 0, 10] and float(x[2].max()) == 11
    total = xp.zeros(4, np.float32)
    xp.add.at(total, xp.asarray([1, 1, 5]), xp.ones(3, np.float32))  # 5 wraps around
    assert total.tolist() == [0, 3, 0, 0]
    assert np.isnan(xp.empty(3, np.float32).get()).all()
    assert bool(xp.allclose(x, x)) and xp.where(x > 3)[0].shape == (7,)
    with pytest.raises(AttributeError):
        xp.ndenumerate(x)
