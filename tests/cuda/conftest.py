"""cupy without a GPU, for the tests of this folder. tests/cuda/on_cpu/cupy_on_cpu.py says what it is."""

import os

import pytest
from on_cpu.install import install
from on_cpu.raw_module import missing_compiler

import pushgrad as mx
from pushgrad.common.errors import DeviceError
from pushgrad.worker.cuda import device as device_module
from pushgrad.worker.cuda.cudnn_tuning import VARIABLE
from pushgrad.worker.cuda.cupy_module import load_cupy
from pushgrad.worker.devices import available


@pytest.fixture(scope="session", autouse=True)
def compiled_kernels(tmp_path_factory):
    """All processes of a test session compile each kernel once; CUDA_ON_CPU_CACHE keeps them for the next one."""
    session = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent  # a worker's own folder lies in the one of all of them
    os.environ.setdefault("CUDA_ON_CPU_CACHE", str(session / "cuda-on-cpu"))


@pytest.fixture(autouse=True)
def untuned(monkeypatch):
    """No test times cuDNN's plans because the environment says so."""
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def make_cupy(monkeypatch):
    """Makes the stand-in with so many GPUs; `import cupy` finds it, and pushgrad those GPUs."""
    if missing_compiler():
        pytest.skip(f"kernels are compiled with g++: {missing_compiler()}")

    def make(gpus=1):
        device_module.Device._known.clear()
        return install(gpus, monkeypatch.setitem, monkeypatch.setattr)

    yield make
    device_module.Device._known.clear()


@pytest.fixture
def cupy_on_cpu(make_cupy, request):
    """The stand-in for cupy with one GPU, or as many as `parametrize("cupy_on_cpu", [2], indirect=True)` says."""
    return make_cupy(getattr(request, "param", 1))


@pytest.fixture
def real_cupy():
    """Makes sure that so many GPUs are there; skips with what is missing otherwise. Under the mark `gpu`."""

    def make(gpus=1):
        try:
            available.require(mx.gpu(gpus - 1))
        except DeviceError as missing:
            pytest.skip(str(missing))
        device_module.Device._known.clear()
        return load_cupy()

    yield make
    device_module.Device._known.clear()


_REAL = [pytest.param("real_cupy", marks=pytest.mark.gpu)] if mx.num_gpus() else []  # not a thousand skipped tests


@pytest.fixture(params=["make_cupy", *_REAL])
def make_gpus(request):
    """Makes GPUs, of the stand-in and, where there are any, real ones; gives cupy."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def gpus(make_gpus, request):
    """One GPU, or as many as `parametrize("gpus", [2], indirect=True)` says."""
    return make_gpus(getattr(request, "param", 1))


@pytest.fixture
def device(gpus):
    """pushgrad's Device for the first GPU."""
    return device_module.Device.get(0)


@pytest.fixture
def real_device(real_cupy):
    """pushgrad's Device for a GPU that is there; under the mark `gpu`."""
    real_cupy()
    return device_module.Device.get(0)
