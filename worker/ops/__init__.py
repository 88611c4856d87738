"""Operators, one file per family; importing this package registers them all."""

from . import fully_connected as fully_connected
