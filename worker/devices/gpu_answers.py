"""This machine's answers to the questions of gpu_questions.py. Each method imports only what its question needs."""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from .gpu_questions import Absent, Gpu

DRIVER_VERSION = Path("/sys/module/nvidia/version")
CAUSE_LIMIT = 200  # characters of somebody else's explanation


class Machine:
    """The Lookups of this machine. Methods raise Absent, and nothing else, if what they look for is not there.

    Answers that take long to find are kept. CUDA 12.4 is the number 12040.
    """

    def driver(self) -> tuple[int, str]:
        """The newest CUDA version that the driver supports, and the driver's own version. Absent without a driver."""
        with _absent():
            # Through ctypes, because this must work without cupy; cuDriverGetVersion needs no cuInit before it.
            library = ctypes.CDLL("libcuda.so.1")
            version = ctypes.c_int()
            if code := library.cuDriverGetVersion(ctypes.byref(version)):
                raise Absent(f"libcuda.so.1 answers with error {code}")
        return version.value, DRIVER_VERSION.read_text().strip() if DRIVER_VERSION.is_file() else ""

    @cache  # noqa: B019 - a process makes one or two
    def installed(self) -> Mapping[str, str]:
        """Versions of the installed distributions `cupy*` and `nvidia-*`, by name with hyphens."""
        from importlib.metadata import distributions

        found = {dist.name.lower().replace("_", "-"): dist.version for dist in distributions() if dist.name}
        return {name: version for name, version in found.items() if name.startswith(("cupy", "nvidia-"))}

    def cupy(self) -> tuple[str, int]:
        """cupy's version, and the CUDA version that it was built for. Absent if cupy cannot be imported."""
        with _absent():
            cupy = _import_cupy()
            version, built_for = str(cupy.__version__), int(cupy.cuda.driver.get_build_version())
        if not built_for:
            raise Absent(f"cupy {version} was built without CUDA")
        return version, built_for

    def nvrtc(self) -> int:
        """The CUDA version of NVRTC. Absent if cupy cannot load it."""
        with _absent():
            major, minor = _import_cupy().cuda.nvrtc.getVersion()
        return 1000 * int(major) + 10 * int(minor)

    def cublas(self) -> None:
        """Load cuBLAS through cupy. Absent if that fails."""
        with _absent():
            _import_cupy().cuda.cublas  # noqa: B018 - cupy loads it when it is first named

    @cache  # noqa: B019
    def headers(self) -> str:
        """The folder of the headers of CUDA's runtime. Absent if no package brings them."""
        with _absent():
            folder = import_module("cuda.pathfinder").find_nvidia_header_directory("cudart")
        if folder is None:
            raise Absent("no headers of CUDA's runtime, such as cuda_fp16.h")
        return str(folder)

    @cache  # noqa: B019
    def gpus(self) -> list[Gpu]:
        """The visible GPUs. Absent if CUDA reports an error, as it does without any."""
        with _absent():
            runtime = _import_cupy().cuda.runtime
            return [_gpu(runtime.getDeviceProperties(index)) for index in range(runtime.getDeviceCount())]

    def free_memory(self, index: int) -> int:
        """Free memory of GPU `index` in bytes. Absent if no CUDA context can be created there."""
        with _absent():
            return int(_import_cupy().cuda.Device(index).mem_info[0])

    def visible(self) -> str | None:
        """The environment variable CUDA_VISIBLE_DEVICES, or None."""
        return os.environ.get("CUDA_VISIBLE_DEVICES")

    def cudnn(self) -> int:
        """The version of cuDNN, 92800 for 9.28.0. Absent without its Python package, or if that finds no library."""
        with _absent():
            frontend = import_module("cudnn")
            try:
                return int(frontend.backend_version())
            except RuntimeError:  # its text is about a missing symbol, which would lead readers astray
                raise Absent("libcudnn.so.9 was not found") from None

    def nccl(self) -> int:
        """The version of NCCL, 23203 for 2.32.3. Absent if cupy or the library is missing."""
        with _absent(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cupy warns where NCCL is not there
            from ..cuda.cupy_module import load_nccl

            nccl = load_nccl()
            if nccl is None:
                raise Absent("libnccl.so.2 was not found")
            return int(nccl.get_version())


@contextmanager
def _absent() -> Iterator[None]:
    """Turn whatever is raised inside into Absent with its text: libraries fail in more ways than they document."""
    try:
        yield
    except Absent:
        raise
    except Exception as error:
        raise Absent(_cause(error)) from error


def _cause(error: BaseException) -> str:
    """What went wrong, in one line.

    cupy wraps the cause of a failed import in a page of advice, and the loader of CUDA's libraries says for each folder
    that there is no such file in it.
    """
    while isinstance(error, ImportError) and isinstance(error.__cause__, ImportError):
        error = error.__cause__
    text = " ".join(str(error).split()).partition(": No such file")[0] or type(error).__name__
    return text if len(text) <= CAUSE_LIMIT else f"{text[:CAUSE_LIMIT]}..."


def _gpu(properties: Mapping[str, Any]) -> Gpu:
    """A Gpu from what cudaGetDeviceProperties reports."""
    name = properties["name"]
    return Gpu(
        name=name.decode(errors="replace") if isinstance(name, bytes) else str(name),
        capability=(int(properties["major"]), int(properties["minor"])),
        memory=int(properties["totalGlobalMem"]),
    )


def _import_cupy() -> Any:
    """The package cupy; ImportError if it is not installed."""
    # Through cuda/cupy_module.py, the one place that imports cupy.
    from ..cuda.cupy_module import load_cupy

    return load_cupy()
