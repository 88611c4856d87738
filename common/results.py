"""What is left of a function that a worker has called: its value, or the traceback of its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import values
from .errors import FileFormatError

VALUE, ERROR = b"value\n", b"error\n"  # how a file begins


@dataclass(frozen=True)
class Result:
    """`value` as `values` has it; or `error`, the text of a traceback."""

    value: Any = None
    error: str = ""

    def encode(self) -> bytes:
        """As bytes. Raises ParameterError if the value cannot be returned."""
        return ERROR + self.error.encode("utf-8", "replace") if self.error else VALUE + values.encode(self.value)

    @staticmethod
    def decode(data: bytes) -> Result:
        """From bytes. Raises FileFormatError if there is no sense in them."""
        kind, content = data[: len(VALUE)], data[len(VALUE) :]
        if kind not in (VALUE, ERROR):
            raise FileFormatError("this is no result of a worker")
        return Result(error=content.decode("utf-8", "replace")) if kind == ERROR else Result(values.decode(content))
