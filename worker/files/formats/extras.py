"""Packages that only some conversions need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ....common.errors import FileFormatError


def needed(module: str, what: str) -> Any:
    """The module; FileFormatError that says how to get it if it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise FileFormatError(
            f"{what} needs the package {package}, which is not installed", remedy="pip install 'pushgrad[convert]'"
        ) from None
