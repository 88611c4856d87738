"""What training on GPUs needs, part by part: whether it is there, what was found, and what helps if it is missing.

This is pure logic on the answers of gpu_answers.py; `pushgrad doctor` prints the parts, and context.require refuses a
GPU with the first one that is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from ...common.extras import install
from .gpu_questions import Absent, Gpu, Lookups

OK, WARNING, MISSING = "ok", "warning", "missing"
GIB = 1 << 30  # bytes
FIRST_DRIVER = {12: 525, 13: 580}  # major CUDA version -> first driver for it, by the release notes of 12.0 and 13.0
OLDEST_FOR_13 = (7, 5)  # compute capability: CUDA 13 compiles for Turing and later only
# Distributions that bring the Python package cupy: the sdist, and wheels for CUDA or ROCm.
CUPY = re.compile(r"cupy(-cuda\d+x?|-rocm[\d-]+)?")
FRONTEND = "nvidia-cudnn-frontend"
FRONTEND_RANGE = ((1, 14), (1, 29))  # first version, and the first one too new; as in pyproject.toml


@dataclass(frozen=True)
class Part:
    """One line of the report: `state` is OK, WARNING (training works all the same) or MISSING."""

    name: str
    state: str
    found: str
    remedy: str = ""


class GpuParts:
    """The parts as they follow from what `look` answers. No method raises anything.

    CUDA versions are numbers such as 12040 for 12.4, and 0 if there is none.
    """

    def __init__(self, look: Lookups) -> None:
        self.look = look

    def all(self) -> list[Part]:
        """Every part, each after those that it needs. Creates a CUDA context on each GPU to ask for its free memory."""
        return [self.driver(), self.cupy(), self.libraries(), *self.gpus(), self.cudnn(), self.nccl()]

    def first_missing(self) -> Part | None:
        """The first missing part of those, GPUs aside, without which no GPU can be used; None if all are there."""
        judged = (judge() for judge in (self.driver, self.cupy, self.libraries))
        return next((part for part in judged if part.state == MISSING), None)

    def driver(self) -> Part:
        """NVIDIA's driver. It must support the major CUDA version that cupy was built for; any minor one will do.

        That is CUDA's minor version compatibility, which holds since CUDA 11.
        """
        try:
            speaks, version = self.look.driver()
        except Absent as why:
            remedy = "Install NVIDIA's driver (in a container: start it with GPUs), or train on mx.cpu()"
            return Part("NVIDIA driver", MISSING, f"no NVIDIA driver on this machine ({why})", remedy)
        wanted = max(12, self.built_for // 1000)  # without cupy, the oldest CUDA for which there is an extra
        if speaks // 1000 < wanted:
            text = f"driver too old for the cupy wheel: it speaks CUDA {_cuda(speaks)}, {self.wheel} needs {wanted}.0"
            return Part("NVIDIA driver", MISSING, text, self._for_old_driver(speaks, wanted))
        return Part("NVIDIA driver", OK, f"{version + ', ' if version else ''}speaks CUDA {_cuda(speaks)}")

    def cupy(self) -> Part:
        """The Python package cupy, which must come from exactly one distribution."""
        part = Part("cupy", OK, f"{self.wheel} {self._cupy[0]}, built for CUDA {_cuda(self.built_for)}")
        if not self.built_for:
            part = Part("cupy", MISSING, f"the Python package cupy cannot be imported ({self._cupy[0]})", self.install)
        return self._alone(self._wheels, part)

    def libraries(self) -> Part:
        """NVRTC, cuBLAS and CUDA's headers, which the extras bring as packages."""
        if not self.built_for:
            return Part("CUDA libraries", MISSING, "not checked without cupy", self.install)
        try:
            compiler = self.look.nvrtc()
            self.look.cublas()
            headers = self.look.headers()
        except Absent as why:
            return Part("CUDA libraries", MISSING, f"CUDA libraries cannot be loaded ({why})", self.install)
        # A newer major version compiles code that the driver does not load; the error would only come with a kernel.
        if 0 < self.speaks // 1000 < compiler // 1000:
            text = f"NVRTC {_cuda(compiler)} compiles for newer drivers, this one speaks CUDA {_cuda(self.speaks)}"
            other = [name for name in self.look.installed() if name == "nvidia-cuda-nvrtc"]
            return Part("CUDA libraries", MISSING, text, self._instead_of(other))
        return Part("CUDA libraries", OK, f"NVRTC {_cuda(compiler)}, cuBLAS, headers in {headers}")

    def gpus(self) -> list[Part]:
        """One part for each visible GPU, or one that says why there is none."""
        if not (self.speaks and self.built_for):
            return [Part("GPUs", MISSING, f"not checked without {'cupy' if self.speaks else 'a driver'}")]
        try:
            gpus = self.look.gpus()
        except Absent as why:
            return [self.no_gpu(f"CUDA reports {why}")]
        if not gpus:
            return [self.no_gpu("no GPU is visible")]
        return [self._with_memory(index, gpu) for index, gpu in enumerate(gpus)]

    def gpu(self, index: int, gpu: Gpu) -> Part:
        """The part for GPU `index`, without its free memory, and so without creating a CUDA context there."""
        found = f"{gpu.name}, compute capability {gpu.capability[0]}.{gpu.capability[1]}"
        if self.built_for >= 13000 and gpu.capability < OLDEST_FOR_13:
            text = f"{found}: too old for {self.wheel}, which needs 7.5"
            return Part(f"GPU {index}", MISSING, text, _instead_of([self.wheel], 12))
        return Part(f"GPU {index}", OK, found)

    def no_gpu(self, why: str) -> Part:
        """The part that stands for all GPUs if none is visible; `why` says what was found instead."""
        shown = self.look.visible()
        remedy = "`nvidia-smi -L` lists what the driver sees; a container must be started with GPUs"
        if shown is not None:
            remedy = f"Look at CUDA_VISIBLE_DEVICES, which is {shown!r}"
        return Part("GPUs", MISSING, why, remedy)

    def cudnn(self) -> Part:
        """cuDNN and its Python package. Without them convolutions run on our own kernels, so this is never MISSING."""
        slower = "convolutions run on our own, slower kernels"
        version = self.look.installed().get(FRONTEND)
        if version is None:
            return Part("cuDNN", WARNING, f"{FRONTEND} is not installed: {slower}", self.install)
        first, beyond = FRONTEND_RANGE
        if not first <= _major_minor(version) < beyond:
            remedy = f"pip install '{FRONTEND}>={first[0]}.{first[1]},<{beyond[0]}.{beyond[1]}'"
            return Part("cuDNN", WARNING, f"{FRONTEND} {version} is not one that has been tried", remedy)
        part = self._library("cuDNN", self.look.cudnn, slower)
        if part.state == OK:
            part = replace(part, found=f"{part.found}, {FRONTEND} {version}")
        return self._fitting("nvidia-cudnn-cu", part)

    def nccl(self) -> Part:
        """NCCL. Without it several GPUs sum their gradients through host memory, so this is never MISSING."""
        if not self.built_for:
            return Part("NCCL", WARNING, "not checked without cupy", self.install)
        part = self._library("NCCL", self.look.nccl, "several GPUs sum their gradients through host memory")
        return self._fitting("nvidia-nccl-cu", part)

    @cached_property
    def speaks(self) -> int:
        """The newest CUDA version that the driver supports; 0 without a driver."""
        try:
            return self.look.driver()[0]
        except Absent:
            return 0

    @property
    def built_for(self) -> int:
        """The CUDA version that cupy was built for; 0 if it cannot be imported."""
        return self._cupy[1]

    @property
    def wheel(self) -> str:
        """The name of the distribution that cupy comes from: the wheel that fits its CUDA, or else "cupy"."""
        named = f"cupy-cuda{self.built_for // 1000}x"
        return named if named in self._wheels else "cupy"

    @property
    def install(self) -> str:
        """The pip command for the extra that fits cupy or, without cupy, the driver."""
        known = self.built_for or self.speaks
        return install("cuda13" if known >= 13000 else "cuda12") + ("" if known else " (or cuda13)")

    @cached_property
    def _cupy(self) -> tuple[str, int]:
        """cupy's version and the CUDA that it was built for; or why it is absent, and 0."""
        try:
            return self.look.cupy()
        except Absent as why:
            return str(why), 0

    @cached_property
    def _wheels(self) -> list[str]:
        """The names of the installed distributions that bring cupy."""
        return sorted(name for name in self.look.installed() if CUPY.fullmatch(name))

    def _with_memory(self, index: int, gpu: Gpu) -> Part:
        """The part for one GPU with its free memory, or why it cannot be used, such as another process's claim."""
        part = self.gpu(index, gpu)
        if part.state != OK:
            return part
        try:
            free = self.look.free_memory(index)
        except Absent as why:
            remedy = "`nvidia-smi` shows who uses it and whether it admits several processes"
            return Part(part.name, MISSING, f"{gpu.name} cannot be used: CUDA reports {why}", remedy)
        return replace(part, found=f"{part.found}, {free / GIB:.1f} of {gpu.memory / GIB:.1f} GiB free")

    def _library(self, name: str, ask: Callable[[], int], otherwise: str) -> Part:
        """A library that training can do without; `otherwise` says what happens then."""
        try:
            version = ask()
        except Absent as why:
            return Part(name, WARNING, f"{name} cannot be loaded ({why}): {otherwise}", self.install)
        return Part(name, OK, f"{name} {version // 10000}.{version // 100 % 100}.{version % 100}")

    def _fitting(self, stem: str, part: Part) -> Part:
        """`part`, or a warning if that library's package is for another CUDA version than cupy, or there are two."""
        wheels = sorted(name for name in self.look.installed() if name.startswith(stem))
        if len(wheels) == 1 and self.built_for and wheels != [f"{stem}{self.built_for // 1000}"]:
            return Part(
                part.name, WARNING, f"{wheels[0]} is for another CUDA than {self.wheel}", self._instead_of(wheels)
            )
        return self._alone(wheels, part)

    def _alone(self, wheels: list[str], part: Part) -> Part:
        """`part`, but at best a warning if several distributions bring it, since they overwrite each other's files."""
        if len(wheels) < 2:
            return part
        text = f"{' and '.join(wheels)} are both installed and overwrite each other's files"
        state = WARNING if part.state == OK else part.state
        return Part(part.name, state, f"{text}; {part.found}", self._instead_of(wheels))

    def _instead_of(self, wheels: list[str]) -> str:
        """The commands that replace these distributions by the extra for the driver's CUDA version."""
        known = self.speaks or self.built_for
        return _instead_of(wheels, 13 if known >= 13000 else 12)

    def _for_old_driver(self, speaks: int, wanted: int) -> str:
        """What helps if the driver is too old: a newer one, or cupy for CUDA 12 if the driver supports that."""
        newer = f"a driver of version {FIRST_DRIVER[wanted]} or newer" if wanted in FIRST_DRIVER else "a newer driver"
        return f"Install {newer}" + (f"; or {_instead_of([self.wheel], 12)}" if speaks >= 12000 else "")


def _instead_of(wheels: list[str], major: int) -> str:
    away = f"pip uninstall {' '.join(wheels)}, then " if wheels else ""
    return f"{away}{install(f'cuda{major}')}"


def _cuda(version: int) -> str:
    """The number 12040 as the text "12.4"."""
    return f"{version // 1000}.{version % 1000 // 10}"


def _major_minor(version: str) -> tuple[int, ...]:
    """The text "1.14.0" as (1, 14)."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
