"""Optional packages, which only some conversions need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ....common.errors import FileFormatError
from ....common.extras import install


def needed(module: str, what: str) -> Any:
    """Import and return a module. `what` is the task that needs it, for the error.

    Raises FileFormatError, which says how to install it, if it is missing.
    """
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise FileFormatError(
            f"{what} needs the package {package}, which is not installed", remedy=install("convert")
        ) from None
