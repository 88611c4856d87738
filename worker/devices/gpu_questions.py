"""The questions to ask of a machine to tell whether it can train on GPUs.

gpu_answers.py asks this machine, gpu_report.py draws conclusions; tests answer in place of machines that they lack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Absent(Exception):
    """What was looked for is not there; the text says why, in the words of the library that was asked."""


@dataclass(frozen=True)
class Gpu:
    """A visible GPU: name, compute capability as (major, minor), and total memory in bytes."""

    name: str
    capability: tuple[int, int]
    memory: int


class Lookups(Protocol):
    """The questions. Each raises Absent if there is no answer, and nothing else. CUDA 12.4 is the number 12040."""

    def driver(self) -> tuple[int, str]:
        """The newest CUDA version that the NVIDIA driver supports, and the driver's own version, "" if not known."""
        ...

    def installed(self) -> Mapping[str, str]:
        """Versions of the installed distributions `cupy*` and `nvidia-*`, by name; never raises."""
        ...

    def cupy(self) -> tuple[str, int]:
        """cupy's version, and the CUDA version that it was built for."""
        ...

    def nvrtc(self) -> int:
        """The CUDA version of NVRTC, the compiler that cupy finds."""
        ...

    def cublas(self) -> None:
        """Return if cupy can load cuBLAS."""
        ...

    def headers(self) -> str:
        """The folder of CUDA's headers, without which cupy cannot compile its own kernels."""
        ...

    def gpus(self) -> list[Gpu]:
        """The visible GPUs, in the order of their indices; the list may be empty."""
        ...

    def free_memory(self, index: int) -> int:
        """Free memory of a GPU in bytes. Asking creates a CUDA context there, which takes some hundred MiB itself."""
        ...

    def visible(self) -> str | None:
        """The environment variable CUDA_VISIBLE_DEVICES, or None; never raises."""
        ...

    def cudnn(self) -> int:
        """The version of the cuDNN library that nvidia-cudnn-frontend finds: 92800 for 9.28.0."""
        ...

    def nccl(self) -> int:
        """The version of the NCCL library that cupy finds: 23203 for 2.32.3."""
        ...
