"""Whether this process runs the cells of a notebook."""

from __future__ import annotations

import sys
from typing import Any


def shell() -> Any:
    """The shell of IPython that runs the caller's cell; None if there is none, or none that can show HTML."""
    module = sys.modules.get("IPython")
    found = module.get_ipython() if module else None
    return found if hasattr(found, "kernel") else None
