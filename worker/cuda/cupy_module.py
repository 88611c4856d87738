"""The one place that imports cupy."""

from __future__ import annotations

import ctypes
import warnings
from typing import Any


def load_cupy() -> Any:
    """The package cupy, which needs no GPU to be imported. Raises ImportError if it is not installed."""
    import cupy

    return cupy


def load_nccl() -> Any | None:
    """cupy's module for NCCL; None if the library is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cupy warns that the library is missing; our callers learn it from None
        from cupy.cuda import nccl

    return nccl if nccl.available else None


def load_cublas() -> Any:
    """The C library cuBLAS that cupy uses. Raises OSError or ImportError if it cannot be loaded."""
    import cupy
    from cupy.cuda import cublas  # noqa: F401 (finds the library among the installed packages and loads it)

    # A name that is already loaded is found wherever it lies; its number is CUDA's major version.
    return ctypes.CDLL(f"libcublas.so.{cupy.cuda.runtime.runtimeGetVersion() // 1000}")
