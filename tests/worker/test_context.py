import threading

import pytest

import pushgrad as mx
from pushgrad.common.errors import DeviceError, JobError, ParameterError
from pushgrad.worker import context
from pushgrad.worker.devices import available
from pushgrad.worker.devices.gpu_questions import Gpu

H100, V100 = Gpu("NVIDIA H100 80GB HBM3", (9, 0), 80 << 30), Gpu("Tesla V100-SXM2-16GB", (7, 0), 16 << 30)


@pytest.fixture(autouse=True)
def nothing_dealt(monkeypatch):
    monkeypatch.delenv("PUSHGRAD_DEVICES", raising=False)


@pytest.fixture
def machine(monkeypatch, fake_machine):
    """Puts a machine with those changes in this one's place."""

    def put(**changed):
        monkeypatch.setattr(available, "_LOOKUPS", fake_machine(**changed))

    return put


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
    assert available.require(mx.cpu(5)) == mx.cpu(5)


def test_without_a_launcher_the_default_is_the_cpu(machine):
    machine(gpus=[H100, H100])
    assert mx.current_context() == mx.cpu(0)
    assert context.as_list(None) == [mx.cpu(0)]


@pytest.mark.parametrize(
    "dealt, first, every",
    [
        ("gpu0", mx.gpu(0), [mx.gpu(0)]),
        ("gpu0,gpu1", mx.gpu(0), [mx.gpu(0), mx.gpu(1)]),
        ("cpu0", mx.cpu(0), [mx.cpu(0)]),
        ("cpu0,cpu1", mx.cpu(0), [mx.cpu(0), mx.cpu(1)]),
        ("gpu0,cpu0", mx.gpu(0), [mx.gpu(0), mx.cpu(0)]),
        ("cpu0,gpu0", mx.gpu(0), [mx.cpu(0), mx.gpu(0)]),
        ("", mx.cpu(0), [mx.cpu(0)]),
    ],
)
def test_what_launch_dealt_is_the_default(monkeypatch, dealt, first, every):
    monkeypatch.setenv("PUSHGRAD_DEVICES", dealt)
    assert mx.current_context() == first
    assert context.as_list(None) == every


def test_an_explicit_context_wins_over_what_launch_dealt(monkeypatch):
    monkeypatch.setenv("PUSHGRAD_DEVICES", "gpu0,gpu1")
    assert context.as_list(mx.cpu()) == [mx.cpu(0)]
    with mx.cpu():
        assert mx.current_context() == mx.cpu(0)
        assert context.as_list(None) == [mx.cpu(0)]


@pytest.mark.parametrize("wrong", ["gpu", "2", "gpu0;gpu1", "gpu0,gpu0", "gpu0,", "tpu0", "gpu-1", "GPU0"])
def test_a_wrong_variable_is_refused(monkeypatch, wrong):
    monkeypatch.setenv("PUSHGRAD_DEVICES", wrong)
    for ask in (mx.current_context, lambda: context.as_list(None)):
        with pytest.raises(JobError, match="PUSHGRAD_DEVICES: expected different devices, such as gpu0,gpu1,cpu0"):
            ask()


@pytest.mark.parametrize(
    "changed, told",
    [
        ({"driver": "absent libcuda.so.1 not found"}, r"no NVIDIA driver.*mx\.cpu\(\)"),
        ({"cupy": "absent No module named 'cupy'"}, r"cupy cannot be imported.*pip install '\.\[cuda12\]' in a clone"),
        ({"cupy": ("14.2.0", 13020)}, "driver too old for the cupy wheel: it speaks CUDA 12.4, cupy needs 13.0"),
        ({"gpus": "absent cudaErrorNoDevice"}, "CUDA reports cudaErrorNoDevice"),
        ({"gpus": [], "visible": ""}, "no GPU is visible.*CUDA_VISIBLE_DEVICES"),
    ],
)
def test_what_is_missing(machine, changed, told):
    machine(**changed)
    assert mx.num_gpus() == 0
    with pytest.raises(DeviceError, match=rf"gpu\(0\) cannot be used: .*{told}.*pushgrad doctor"):
        available.require(mx.gpu(0))


def test_libraries_that_are_missing_are_an_error_and_not_the_cpu(machine):
    machine(cublas="absent no libcublas")
    assert mx.num_gpus() == 1, "a script that asks for the number must not fall back in silence"
    with pytest.raises(DeviceError, match=r"CUDA libraries cannot be loaded \(no libcublas\).*pip install"):
        available.require(mx.gpu(0))


def test_a_gpu_that_is_too_old_is_refused_and_its_neighbour_not(machine):
    machine(driver=(13000, ""), cupy=("14.2.0", 13020), gpus=[V100, H100])
    assert available.require(mx.gpu(1)) == mx.gpu(1)
    with pytest.raises(DeviceError, match=r"gpu\(0\) cannot be used: Tesla V100.*too old"):
        available.require(mx.gpu(0))


def test_with_two_devices(machine):
    machine(gpus=[H100, H100])
    assert mx.num_gpus() == 2
    assert available.require(mx.gpu(1)) == mx.gpu(1)
    with pytest.raises(DeviceError, match=r"gpu\(2\) is not there: 2 GPUs are visible.*mx.gpu\(0\) to mx.gpu\(1\)"):
        available.require(mx.gpu(2))


def test_what_only_costs_speed_is_no_error(machine):
    machine(cudnn="absent gone", nccl="absent gone", free_memory="absent busy")
    assert available.require(mx.gpu(0)) == mx.gpu(0)


def test_a_context_of_a_context():
    """MXNet's scripts copy contexts in this way."""
    assert mx.Context(mx.gpu(1)) == mx.gpu(1)
    assert mx.Context(mx.cpu(0), 3) == mx.cpu(0)
