"""This machine's answers to what has to be asked before training on GPUs. Each question imports what it needs."""

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
    """See Lookups. What takes long to find is looked for once."""

    def driver(self) -> tuple[int, str]:
        """See Lookups. Asking the driver for its version does not yet start CUDA."""
        with _absent():
            library = ctypes.CDLL("libcuda.so.1")
            version = ctypes.c_int()
            if code := library.cuDriverGetVersion(ctypes.byref(version)):
                raise Absent(f"libcuda.so.1 answers with error {code}")
        return version.value, DRIVER_VERSION.read_text().strip() if DRIVER_VERSION.is_file() else ""

    @cache  # noqa: B019 - a process makes one or two
    def installed(self) -> Mapping[str, str]:
        """See Lookups."""
        from importlib.metadata import distributions

        found = {dist.name.lower().replace("_", "-"): dist.version for dist in distributions() if dist.name}
        return {name: version for name, version in found.items() if name.startswith(("cupy", "nvidia-"))}

    def cupy(self) -> tuple[str, int]:
        """See Lookups."""
        with _absent():
            cupy = _import_cupy()
            version, built_for = str(cupy.__version__), int(cupy.cuda.driver.get_build_version())
        if not built_for:
            raise Absent(f"cupy {version} was built without CUDA")
        return version, built_for

    def nvrtc(self) -> int:
        """See Lookups."""
        with _absent():
            major, minor = _import_cupy().cuda.nvrtc.getVersion()
        return 1000 * int(major) + 10 * int(minor)

    def cublas(self) -> None:
        """See Lookups."""
        with _absent():
            _import_cupy().cuda.cublas  # noqa: B018 - cupy loads it when it is first named

    @cache  # noqa: B019
    def headers(self) -> str:
        """See Lookups."""
        with _absent():
            folder = import_module("cuda.pathfinder").find_nvidia_header_directory("cudart")
        if folder is None:
            raise Absent("no headers of CUDA's runtime, such as cuda_fp16.h")
        return str(folder)

    @cache  # noqa: B019
    def gpus(self) -> list[Gpu]:
        """See Lookups."""
        with _absent():
            runtime = _import_cupy().cuda.runtime
            return [_gpu(runtime.getDeviceProperties(index)) for index in range(runtime.getDeviceCount())]

    def free_memory(self, index: int) -> int:
        """See Lookups."""
        with _absent():
            return int(_import_cupy().cuda.Device(index).mem_info[0])

    def visible(self) -> str | None:
        """See Lookups."""
        return os.environ.get("CUDA_VISIBLE_DEVICES")

    def cudnn(self) -> int:
        """See Lookups."""
        with _absent():
            frontend = import_module("cudnn")
            try:
                return int(frontend.backend_version())
            except RuntimeError:  # it speaks of a symbol that it cannot find
                raise Absent("libcudnn.so.9 was not found") from None

    def nccl(self) -> int:
        """See Lookups."""
        with _absent(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cupy warns where NCCL is not there
            from ..cuda.cupy_module import load_nccl

            nccl = load_nccl()
            if nccl is None:
                raise Absent("libnccl.so.2 was not found")
            return int(nccl.get_version())


@contextmanager
def _absent() -> Iterator[None]:
    """Whatever is raised inside becomes Absent with its text: libraries fail in more ways than they document."""
    try:
        yield
    except Absent:
        raise
    except Exception as error:
        raise Absent(_cause(error)) from error


def _cause(error: BaseException) -> str:
    """What went wrong in one line. cupy frames the cause of a failed import with a page of advice, and the loader of
    CUDA's libraries says once for each folder that there was no such file.
    """
    while isinstance(error, ImportError) and isinstance(error.__cause__, ImportError):
        error = error.__cause__
    text = " ".join(str(error).split()).partition(": No such file")[0] or type(error).__name__
    return text if len(text) <= CAUSE_LIMIT else f"{text[:CAUSE_LIMIT]}..."


def _gpu(properties: Mapping[str, Any]) -> Gpu:
    name = properties["name"]
    return Gpu(
        name=name.decode(errors="replace") if isinstance(name, bytes) else str(name),
        capability=(int(properties["major"]), int(properties["minor"])),
        memory=int(properties["totalGlobalMem"]),
    )


def _import_cupy() -> Any:
    from ..cuda.cupy_module import load_cupy

    return load_cupy()
