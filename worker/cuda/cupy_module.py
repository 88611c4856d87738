"""The one place that imports cupy."""

from __future__ import annotations

import ctypes
import warnings
from typing import Any


def load_cupy() -> Any:
    """The package cupy. ImportError if it is not installed; it needs no GPU to be imported."""
    import cupy

    return cupy


def load_nccl() -> Any | None:
    """cupy's module for NCCL, or None without the library."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cupy warns that the library is missing; whoever asks is told by None
        from cupy.cuda import nccl

    return nccl if nccl.available else None


def load_cublas() -> Any:
    """The C library cuBLAS that cupy uses."""
    import cupy
    from cupy.cuda import cublas  # noqa: F401 (finds the library among the installed packages and loads it)

    return ctypes.CDLL(f"libcublas.so.{cupy.cuda.runtime.runtimeGetVersion() // 1000}")
