"""What a GPU needs, judged for machines that are made up; and what this one answers, whatever it has."""

import re
import tomllib
from pathlib import Path

import pytest

from pushgrad.worker.devices import gpu_answers
from pushgrad.worker.devices.gpu_questions import Absent, Gpu, Lookups
from pushgrad.worker.devices.gpu_report import FRONTEND, FRONTEND_RANGE, MISSING, OK, WARNING, GpuParts

H100, V100 = Gpu("NVIDIA H100 80GB HBM3", (9, 0), 80 << 30), Gpu("Tesla V100-SXM2-16GB", (7, 0), 16 << 30)


def wheels(cuda):
    """What the extra for that CUDA brings."""
    names = [f"cupy-cuda{cuda}x", FRONTEND, f"nvidia-cudnn-cu{cuda}", f"nvidia-nccl-cu{cuda}"]
    return dict(zip(names, ["14.2.0", "1.28.0", "9.28.0.42", "2.32.3"], strict=True))


WHEELS = wheels(12)
CUDA13 = {"installed": wheels(13), "cupy": ("14.2.0", 13020), "nvrtc": 13050}


@pytest.fixture
def parts(fake_machine):
    """All parts of a machine with those changes, by name."""
    return lambda **changed: {part.name: part for part in GpuParts(fake_machine(**changed)).all()}


def test_a_machine_with_everything(parts, fake_machine):
    found = parts()
    assert [(name, part.state, part.remedy) for name, part in found.items()] == [
        (name, OK, "") for name in ("NVIDIA driver", "cupy", "CUDA libraries", "GPU 0", "cuDNN", "NCCL")
    ]
    assert found["NVIDIA driver"].found == "550.54.14, speaks CUDA 12.4"
    assert found["cupy"].found == "cupy-cuda12x 14.2.0, built for CUDA 12.9"
    assert found["CUDA libraries"].found == "NVRTC 12.9, cuBLAS, headers in /cuda/include"
    assert found["GPU 0"].found == "NVIDIA H100 80GB HBM3, compute capability 9.0, 79.0 of 80.0 GiB free"
    assert found["cuDNN"].found == "cuDNN 9.28.0, nvidia-cudnn-frontend 1.28.0"
    assert found["NCCL"].found == "NCCL 2.32.3"
    assert GpuParts(fake_machine()).first_missing() is None


NOT_HERE = "No module named 'cupy'"
INSTALL = "pip install '.[cuda12]' in a clone of pushgrad"
TWO_CUPYS = {**WHEELS, "cupy-cuda13x": "14.2.0"}


@pytest.mark.parametrize(
    "changed, name, state, found, remedy",
    [
        ({"driver": "absent no libcuda"}, "NVIDIA driver", MISSING, "no NVIDIA driver on this machine (no", "In"),
        (
            {**CUDA13},
            "NVIDIA driver",
            MISSING,
            "driver too old for the cupy wheel: it speaks CUDA 12.4, cupy-cuda13x needs 13.0",
            f"Install a driver of version 580 or newer; or pip uninstall cupy-cuda13x, then {INSTALL}",
        ),
        ({"driver": (11080, "")}, "NVIDIA driver", MISSING, "speaks CUDA 11.8", "Install a driver of version 525"),
        ({"cupy": f"absent {NOT_HERE}", "installed": {}}, "cupy", MISSING, NOT_HERE, INSTALL),
        (
            {"cupy": f"absent {NOT_HERE}", "installed": {}, "driver": (13000, "")},
            "cupy",
            MISSING,
            "cannot be imported",
            "pip install '.[cuda13]' in a clone of pushgrad",
        ),
        (
            {"installed": TWO_CUPYS},
            "cupy",
            WARNING,
            "cupy-cuda12x and cupy-cuda13x are both installed and overwrite each other's files; cupy-cuda12x 14.2.0",
            f"pip uninstall cupy-cuda12x cupy-cuda13x, then {INSTALL}",
        ),
        ({"installed": TWO_CUPYS, "cupy": "absent broken"}, "cupy", MISSING, "(broken)", "pip uninstall cupy-cuda12x"),
        ({"nvrtc": "absent no NVRTC"}, "CUDA libraries", MISSING, "cannot be loaded (no NVRTC)", INSTALL),
        ({"cublas": "absent no cuBLAS"}, "CUDA libraries", MISSING, "cannot be loaded (no cuBLAS)", INSTALL),
        ({"headers": "absent no headers"}, "CUDA libraries", MISSING, "cannot be loaded (no headers)", INSTALL),
        (
            {"nvrtc": 13000, "installed": {**WHEELS, "nvidia-cuda-nvrtc": "13.0"}},
            "CUDA libraries",
            MISSING,
            "NVRTC 13.0 compiles for newer drivers, this one speaks CUDA 12.4",
            f"pip uninstall nvidia-cuda-nvrtc, then {INSTALL}",
        ),
        ({"cupy": "absent broken"}, "CUDA libraries", MISSING, "not checked without cupy", INSTALL),
        ({"driver": "absent gone"}, "GPUs", MISSING, "not checked without a driver", ""),
        ({"gpus": "absent cudaErrorNoDevice"}, "GPUs", MISSING, "CUDA reports cudaErrorNoDevice", "`nvidia-smi -L`"),
        ({"gpus": [], "visible": ""}, "GPUs", MISSING, "no GPU", "Look at CUDA_VISIBLE_DEVICES, which is ''"),
        (
            {**CUDA13, "driver": (13000, "580.65"), "gpus": [V100]},
            "GPU 0",
            MISSING,
            "Tesla V100-SXM2-16GB, compute capability 7.0: too old for cupy-cuda13x, which needs 7.5",
            f"pip uninstall cupy-cuda13x, then {INSTALL}",
        ),
        ({"gpus": [H100, V100]}, "GPU 1", OK, "Tesla V100-SXM2-16GB, compute capability 7.0, 79.0 of 16.0", ""),
        ({"free_memory": "absent out of memory"}, "GPU 0", MISSING, "CUDA reports out of memory", "`nvidia-smi`"),
        ({"installed": {"cupy-cuda12x": "14.2.0"}}, "cuDNN", WARNING, "is not installed: convolutions run on", INSTALL),
        (
            {"installed": {**WHEELS, FRONTEND: "1.30.0"}},
            "cuDNN",
            WARNING,
            "nvidia-cudnn-frontend 1.30.0 is not one that has been tried",
            "pip install 'nvidia-cudnn-frontend>=1.14,<1.29'",
        ),
        ({"cudnn": "absent no libcudnn"}, "cuDNN", WARNING, "(no libcudnn): convolutions run on our own", INSTALL),
        (
            {"installed": {**WHEELS, "nvidia-cudnn-cu13": "9.28"}},
            "cuDNN",
            WARNING,
            "nvidia-cudnn-cu12 and nvidia-cudnn-cu13 are both installed",
            f"pip uninstall nvidia-cudnn-cu12 nvidia-cudnn-cu13, then {INSTALL}",
        ),
        (
            {"installed": {**wheels(13), "cupy-cuda12x": "14.2.0"}, "driver": (12040, "")},
            "NCCL",
            WARNING,
            "nvidia-nccl-cu13 is for another CUDA than cupy-cuda12x",
            f"pip uninstall nvidia-nccl-cu13, then {INSTALL}",
        ),
        ({"nccl": "absent no libnccl"}, "NCCL", WARNING, "several GPUs sum their gradients", INSTALL),
        ({"cupy": "absent broken"}, "NCCL", WARNING, "not checked without cupy", INSTALL),
    ],
)
def test_what_is_missing(parts, changed, name, state, found, remedy):
    part = parts(**changed)[name]
    assert part.state == state, part
    assert found in part.found
    assert part.remedy.startswith(remedy)


def test_the_first_missing_part_is_looked_for_and_no_further(fake_machine):
    machine = fake_machine(driver="absent gone")
    assert GpuParts(machine).first_missing().name == "NVIDIA driver"
    assert set(machine.asked) == {"driver"}, "neither cupy nor its libraries were touched"
    assert GpuParts(fake_machine(nccl="absent gone", cudnn="absent gone")).first_missing() is None
    machine = fake_machine()
    GpuParts(machine).first_missing()
    assert not {"gpus", "free_memory", "cudnn", "nccl"} & set(machine.asked)


def test_the_range_of_the_frontend_is_that_of_the_extras():
    first, beyond = (".".join(map(str, bound)) for bound in FRONTEND_RANGE)
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    for extra in ("cuda12", "cuda13"):
        wanted = project["optional-dependencies"][extra]
        assert f"{FRONTEND}>={first},<{beyond}" in wanted


def test_this_machine_answers_or_says_what_is_absent(monkeypatch):
    machine = gpu_answers.Machine()
    for name in (name for name in vars(Lookups) if not name.startswith("_")):
        try:
            getattr(machine, name)(*([0] if name == "free_memory" else []))
        except Absent as why:
            assert str(why) and "\n" not in str(why)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert machine.visible() == "7"


def test_a_driver_that_does_not_answer(monkeypatch):
    class Stub:
        def cuDriverGetVersion(self, place):
            return 34

    monkeypatch.setattr(gpu_answers.ctypes, "CDLL", lambda name: Stub())
    with pytest.raises(Absent, match=r"libcuda\.so\.1 answers with error 34"):
        gpu_answers.Machine().driver()


def test_a_failed_import_is_told_by_its_cause(monkeypatch):
    def broken():
        try:
            raise ImportError("libstdc++.so.6: version GLIBCXX_3.4.30 not found")
        except ImportError as error:
            raise ImportError("=====\nFailed to import CuPy.\n=====") from error

    monkeypatch.setattr(gpu_answers, "_import_cupy", broken)
    for ask in (gpu_answers.Machine().cupy, gpu_answers.Machine().nvrtc, gpu_answers.Machine().gpus):
        with pytest.raises(Absent, match=re.escape("libstdc++.so.6: version GLIBCXX_3.4.30 not found")):
            ask()
