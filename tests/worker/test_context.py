import ctypes
import threading
from types import SimpleNamespace

import pytest

import pushgrad as mx
from pushgrad.common.errors import DeviceError, ParameterError
from pushgrad.worker import context


@pytest.fixture
def driver(monkeypatch):
    """Pretend that there is an NVIDIA driver."""
    monkeypatch.setattr(context.ctypes, "CDLL", lambda name: None)


def fake_cupy(count):
    class CUDARuntimeError(RuntimeError):
        pass

    def device_count():
        if count is None:
            raise CUDARuntimeError("cudaErrorNoDevice")
        return count

    return SimpleNamespace(
        cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=device_count, CUDARuntimeError=CUDARuntimeError))
    )


def test_names_equality_and_hash():
    assert repr(mx.cpu()) == "cpu(0)"
    assert repr(mx.gpu(3)) == "gpu(3)"
    assert mx.cpu(1) == mx.Context("cpu", 1)
    assert mx.cpu(1) != mx.gpu(1)
    assert mx.cpu() != "cpu(0)"
    assert len({mx.cpu(), mx.cpu(0), mx.gpu(0)}) == 2


@pytest.mark.parametrize(("kind", "index"), [("tpu", 0), ("cpu", -1), ("gpu", 1.5), ("gpu", "0")])
def test_bad_names_are_refused(kind, index):
    with pytest.raises(ParameterError):
        mx.Context(kind, index)


def test_with_makes_a_context_current_in_its_thread_only():
    seen = []
    with mx.gpu(1):
        with mx.cpu(2):
            assert mx.current_context() == mx.cpu(2)
        assert mx.current_context() == mx.gpu(1)
        thread = threading.Thread(target=lambda: seen.append(mx.current_context()))
        thread.start()
        thread.join()
    assert seen == [mx.cpu(0)]
    assert mx.current_context() == mx.cpu(0)


def test_as_list():
    assert context.as_list(None) == [mx.cpu(0)]
    assert context.as_list(mx.gpu(1)) == [mx.gpu(1)]
    assert context.as_list((mx.cpu(0), mx.cpu(1))) == [mx.cpu(0), mx.cpu(1)]
    for wrong in ([], "cpu", [0], 3):
        with pytest.raises(ParameterError, match="list of contexts"):
            context.as_list(wrong)


def test_cpu_is_always_there():
    assert context.require(mx.cpu(5)) == mx.cpu(5)


def test_without_a_driver(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert mx.num_gpus() == 0
    with pytest.raises(DeviceError, match="no NVIDIA driver"):
        context.require(mx.gpu(0))


def test_without_cupy(monkeypatch, driver):
    def missing():
        raise ImportError("No module named 'cupy'")

    monkeypatch.setattr(context, "_import_cupy", missing)
    assert mx.num_gpus() == 0
    with pytest.raises(DeviceError, match=r"gpu\(0\) cannot be used.*cupy.*pip install 'pushgrad\[cuda12\]'"):
        context.require(mx.gpu(0))


def test_without_a_device(monkeypatch, driver):
    monkeypatch.setattr(context, "_import_cupy", lambda: fake_cupy(None))
    assert mx.num_gpus() == 0
    with pytest.raises(DeviceError, match="cudaErrorNoDevice"):
        context.require(mx.gpu(0))


def test_with_two_devices(monkeypatch, driver):
    monkeypatch.setattr(context, "_import_cupy", lambda: fake_cupy(2))
    assert mx.num_gpus() == 2
    assert context.require(mx.gpu(1)) == mx.gpu(1)
    with pytest.raises(DeviceError, match=r"gpu\(2\) is not there: 2 GPUs are visible.*mx.gpu\(0\) to mx.gpu\(1\)"):
        context.require(mx.gpu(2))


def test_driver_without_visible_gpus(monkeypatch, driver):
    monkeypatch.setattr(context, "_import_cupy", lambda: fake_cupy(0))
    with pytest.raises(DeviceError, match=r"0 GPUs are visible.*CUDA_VISIBLE_DEVICES"):
        context.require(mx.gpu(0))
