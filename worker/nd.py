"""mx.nd: arrays in MXNet's files (.params, .nd)."""

from .files.ndfile import load, save

__all__ = ["load", "save"]
