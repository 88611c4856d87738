"""The one place that imports cupy."""

from __future__ import annotations

from typing import Any


def load_cupy() -> Any:
    """The package cupy. ImportError if it is not installed; it needs no GPU to be imported."""
    import cupy

    return cupy
