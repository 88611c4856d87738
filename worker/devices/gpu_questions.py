"""What has to be asked of a machine to tell whether it can train on GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Absent(Exception):
    """What was looked for is not there; the text says why, in the words of whoever knows."""


@dataclass(frozen=True)
class Gpu:
    """A visible GPU: name, compute capability, memory in bytes."""

    name: str
    capability: tuple[int, int]
    memory: int


class Lookups(Protocol):
    """The questions. Each raises Absent where there is no answer, and nothing else. CUDA 12.4 is the number 12040."""

    def driver(self) -> tuple[int, str]:
        """The CUDA version that the NVIDIA driver speaks, and the driver's own version, "" if not known."""
        ...

    def installed(self) -> Mapping[str, str]:
        """Versions of the installed distributions `cupy*` and `nvidia-*`, by name."""
        ...

    def cupy(self) -> tuple[str, int]:
        """cupy's version, and that of the CUDA that it was built for."""
        ...

    def nvrtc(self) -> int:
        """The version of CUDA's compiler that cupy finds."""
        ...

    def cublas(self) -> None:
        """Nothing, if cupy can load cuBLAS."""
        ...

    def headers(self) -> str:
        """The folder of CUDA's headers, from which cupy compiles its own kernels."""
        ...

    def gpus(self) -> list[Gpu]:
        """The visible GPUs, perhaps none."""
        ...

    def free_memory(self, index: int) -> int:
        """Bytes that are free on a GPU. The question itself takes some hundred MiB there."""
        ...

    def visible(self) -> str | None:
        """CUDA_VISIBLE_DEVICES."""
        ...

    def cudnn(self) -> int:
        """The version of the cuDNN that nvidia-cudnn-frontend finds: 92800 for 9.28.0."""
        ...

    def nccl(self) -> int:
        """The version of the NCCL that cupy finds: 23203 for 2.32.3."""
        ...
