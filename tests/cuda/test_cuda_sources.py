"""Every kernel compiles: for the processor, with NVIDIA's compiler, and with the one that cupy uses."""

import shutil
import subprocess

import pytest
from long_after import long_after

from pushgrad.worker.cuda.compiled_source import SOURCES, source

NAMES = sorted(path.stem for path in SOURCES.glob("*.cu"))
WINDOW = {"KH": 3, "KW": 2, "SH": 2, "SW": 1, "PH": 1, "PW": 0}
TAPS = [{"TAP": "unsigned char", "BORDER": 0}, {"TAP": "int", "BORDER": 1}]
ACTS = ("NONE", "RELU", "SIGMOID", "TANH", "SOFTRELU", "SOFTSIGN")
LAST = [
    {"ELEMENT": "float", "BFLOAT16": 0, "PACK": 4},
    {"ELEMENT": "unsigned short", "BFLOAT16": 0, "PACK": 8},
    {"ELEMENT": "unsigned short", "BFLOAT16": 1, "PACK": 1},
]
# By source: the sets of macros that it is compiled with; see the calls of Device.module.
MACROS = {
    "activation": [{"ACT": act} for act in ACTS],
    "batch_norm": [{"ACT": act} for act in ACTS[:2]],
    "channels_last": [{**last, "PACK": 1} for last in LAST],
    "elementwise": [{**last, "ACT": act} for last in LAST for act in ACTS[:2]],
    "channels_last_batch_norm": [{**last, "ACT": act} for last in LAST for act in ACTS[:2]],
    "channels_last_pooling": [
        {"POOL": pool, **taps, **WINDOW, **last, "RESULT": result}
        for pool in ("MAX", "AVG", "SUM")
        for taps, last, result in zip((*TAPS, TAPS[0]), LAST, ("float", "unsigned short", "float"), strict=True)
    ],
    "round_half": [{"BFLOAT16": 0}, {"BFLOAT16": 1}],
    "metrics": [
        *({"METRIC": kind, "LANES": 32} for kind in ("CHOSEN", "TOP")),
        *({"METRIC": kind, "LANES": 1} for kind in ("CHOSEN", "ROUNDED", "TOP", "ABSOLUTE", "LOGARITHMIC", "ENTROPY")),
        *({"METRIC": kind, "LANES": 1} for kind in ("BINARY", "HINGE", "SQUARED_HINGE", "VALUE")),
    ],
    "plane_pooling": [{"POOL": pool} for pool in ("MAX", "AVG", "SUM")],
    "pooling": [{"POOL": pool, **taps, **WINDOW} for pool in ("MAX", "AVG", "SUM") for taps in TAPS],
    "softmax_output": [
        {"HEAD": 0, "IGNORE": 0, "NORMALIZE": 0},
        {"HEAD": 1, "IGNORE": 1, "NORMALIZE": 0},
        {"HEAD": 0, "IGNORE": 1, "NORMALIZE": 1},
    ],
}
CASES = [(name, macros) for name in NAMES for macros in MACROS.get(name, [{}])]


def options(macros):
    return tuple(f"-D{key}={value}" for key, value in macros.items())


@pytest.mark.parametrize(("name", "macros"), long_after(24, CASES))
def test_for_the_processor(cupy_on_cpu, name, macros):
    cupy_on_cpu.RawModule(code=source(name), options=("-std=c++17", *options(macros))).compile()


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("nvcc"), reason="nvcc is not installed")
@pytest.mark.parametrize(("name", "macros"), CASES)
def test_with_nvcc(tmp_path, name, macros):
    path = tmp_path / f"{name}.cu"
    path.write_text(source(name))
    command = ["nvcc", "-std=c++17", "-arch=sm_90", "-cubin", "-Werror", "all-warnings", *options(macros)]
    done = subprocess.run([*command, str(path), "-o", str(tmp_path / "out")], capture_output=True, text=True)
    assert not done.returncode, done.stderr


@pytest.fixture(scope="module")
def nvrtc():
    """cupy's binding of NVIDIA's runtime compiler, which needs neither GPU nor driver."""
    pytest.importorskip("cupy", reason="cupy is not installed", exc_type=ImportError)
    from cupy.cuda import nvrtc

    try:
        nvrtc.getVersion()
    except (RuntimeError, OSError) as missing:
        pytest.skip(f"NVRTC cannot be loaded: {missing}")
    return nvrtc


@pytest.mark.parametrize(("name", "macros"), CASES)
def test_with_nvrtc(nvrtc, name, macros):
    """As cupy.RawModule compiles it, without any header of the host's, for the oldest GPUs that CUDA 13 knows."""
    program = nvrtc.createProgram(source(name), f"{name}.cu", (), ())
    how = ("-std=c++17", "-arch=compute_75", "--device-as-default-execution-space")
    try:
        nvrtc.compileProgram(program, (*how, *options(macros)))
    except nvrtc.NVRTCError:
        raise AssertionError(nvrtc.getProgramLog(program)) from None
    finally:
        nvrtc.destroyProgram(program)
