"""Every kernel compiles: for the processor, with NVIDIA's compiler, and with the one that cupy uses."""

import shutil
import subprocess

import pytest

from pushgrad.worker.cuda.module import SOURCES, source

NAMES = sorted(path.stem for path in SOURCES.glob("*.cu"))
MACROS = {}  # by source: sets of macros without which it does not compile, as [{"TILE": 16}]
CASES = [(name, macros) for name in NAMES for macros in MACROS.get(name, [{}])]


def options(macros):
    return tuple(f"-D{key}={value}" for key, value in macros.items())


@pytest.mark.parametrize(("name", "macros"), CASES)
def test_for_the_processor(cupy_on_cpu, name, macros):
    cupy_on_cpu.RawModule(code=source(name), options=("-std=c++17", *options(macros))).compile()


@pytest.mark.skipif(not shutil.which("nvcc"), reason="nvcc is not installed")
@pytest.mark.parametrize(("name", "macros"), CASES)
def test_with_nvcc(tmp_path, name, macros):
    path = tmp_path / f"{name}.cu"
    path.write_text(source(name))
    command = ["nvcc", "-std=c++17", "-arch=sm_90", "-cubin", "-Werror", "all-warnings", *options(macros)]
    done = subprocess.run([*command, str(path), "-o", str(tmp_path / "out")], capture_output=True, text=True)
    assert not done.returncode, done.stderr


@pytest.mark.parametrize(("name", "macros"), CASES)
def test_with_nvrtc(name, macros):
    """As cupy.RawModule compiles it, for the oldest GPUs that CUDA 13 knows. It needs no GPU."""
    compiler = pytest.importorskip("cupy.cuda.compiler", reason="cupy is not installed", exc_type=ImportError)
    nvrtc = pytest.importorskip("cupy.cuda.nvrtc", exc_type=ImportError)
    try:
        nvrtc.getVersion()
    except (RuntimeError, ImportError, OSError) as missing:
        pytest.skip(f"NVRTC cannot be loaded: {missing}")
    compiler.compile_using_nvrtc(source(name), ("-std=c++17", *options(macros)), arch="75")
