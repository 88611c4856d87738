"""Optional packages: how to install those of an extra of pyproject.toml."""

from __future__ import annotations


def install(extra: str) -> str:
    """The command, for the remedy of an error. It needs a clone: there is no pushgrad in the registries."""
    return f"pip install '.[{extra}]' in a clone of pushgrad"
