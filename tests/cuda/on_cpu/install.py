"""Puts the stand-in in place of cupy, in this process: for tests, and at the top of scripts that they start."""

import sys

from pushgrad.worker.cuda import cublas
from pushgrad.worker.devices import available
from pushgrad.worker.devices.gpu_questions import Gpu

from . import cupy_on_cpu
from .blas import Library


class LookupsOnCpu:
    """Answers as a machine with those GPUs and everything that they need; see pushgrad.worker.devices.gpu_questions."""

    def __init__(self, gpus):
        self._gpus = gpus

    driver = staticmethod(lambda: (13000, "580.1"))
    installed = staticmethod(lambda: {"cupy-cuda13x": "14.2.0"})
    cupy = staticmethod(lambda: ("14.2.0", 13000))
    nvrtc = staticmethod(lambda: 13000)
    cublas = visible = staticmethod(lambda: None)
    headers = staticmethod(lambda: "/nowhere")
    nccl = staticmethod(lambda: 22800)
    free_memory = staticmethod(lambda index: 16 << 30)

    def gpus(self):
        return [Gpu("a GPU on the CPU", (9, 0), 16 << 30)] * self._gpus


def install(gpus=1, setitem=dict.__setitem__, setattr=setattr):
    """`import cupy` finds a new stand-in with that many GPUs, and pushgrad finds those GPUs; gives the stand-in."""
    cupy = cupy_on_cpu.make(gpus)
    for name, module in cupy_on_cpu.modules(cupy).items():
        setitem(sys.modules, name, module)
    setattr(available, "_LOOKUPS", LookupsOnCpu(gpus))
    setattr(cublas, "load_cublas", Library)
    return cupy
